"""From a plan's JSON to the releases that a deployment applies, as helmfile selectors."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from mldeploy.errors import MldeployError

_SERVICE = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


def affected_selectors(plan: Path, environment: str) -> list[str]:
    """Read which services of an environment a plan says are affected.

    Returns:
        Selectors such as `service=ml-api`, sorted; none when nothing is affected.

    Raises:
        MldeployError: the file is not a plan, or names a service in a way that no selector can.
    """
    try:
        content: Any = json.loads(plan.read_text("utf-8"))
        services = {
            str(release["service"])
            for release in content["releases"]
            if release["environment"] == environment and release["affected"]
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MldeployError(
            f"{plan}: not a plan ({type(error).__name__}: {error})", remedy="write it with mldeploy plan --output json"
        ) from error
    for service in services:
        # These words go onto a command line.
        if not _SERVICE.fullmatch(service):
            raise MldeployError(f"{plan}: {service!r} is not a service's name", remedy="rename the release")
    return [f"service={service}" for service in sorted(services)]
