"""Releases as checkov judges them, in its own environment (`within_checkov.py`)."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from mldeploy import process
from mldeploy.check.problem import Problem
from mldeploy.check.whole import complete
from mldeploy.errors import MldeployError
from mldeploy.plan.objects import Manifested
from mldeploy.toolchain import environments

PREFIX = "checkov/"
_INSIDE = Path(__file__).with_name("within_checkov.py")
_TIMEOUT_S = 300.0
_REMEDY = "https://www.checkov.io/5.Policy%20Index/kubernetes.html says why; an exception needs a reason"


def checked(groups: Sequence[Sequence[Manifested]], only: Collection[str] = ()) -> list[list[list[Problem]]]:
    """Let checkov judge releases.

    Args:
        groups: the objects of each release.
        only: rules that are of interest; none: all.

    Returns:
        The problems of each object of each group, in their order.

    Raises:
        MldeployError: checkov is not installed, or failed itself.
    """
    request = {
        "groups": [[complete(each) for each in group] for group in groups],
        "checks": [rule.removeprefix(PREFIX) for rule in sorted(only)],
    }
    # Isolated: neither variables nor files of this checkout change what it imports.
    argv: list[str | Path] = [environments.interpreter("checkov"), "-I", _INSIDE]
    done = process.run(argv, timeout_s=_TIMEOUT_S, input_text=json.dumps(request))
    found: list[list[list[Problem]]] = []
    for group, failed in zip(groups, json.loads(done.stdout), strict=True):
        problems: list[list[Problem]] = [[] for _ in group]
        for each in failed:
            problems[_place(group, each["resource"])].append(_problem(each))
        found.append(problems)
    return found


def _place(group: Sequence[Manifested], resource: str) -> int:
    """Find the object that `Kind.namespace.name` names; a workload's pod is `Pod.namespace.<workload>.<labels>`."""
    exact = [index for index, each in enumerate(group) if resource == f"{each.kind}.{each.namespace}.{each.name}"]
    owners = [
        (len(each.name), index)
        for index, each in enumerate(group)
        if f"{resource}.".startswith(
            (f"Pod.{each.namespace}.{each.name}.", f"{each.kind}.{each.namespace}.{each.name}.")
        )
        and ("template" in each.data.get("spec", {}) or "jobTemplate" in each.data.get("spec", {}))
    ]
    if not exact and not owners:
        raise MldeployError(f"checkov judged an object that is not rendered: {resource}", remedy="please report this")
    return exact[0] if exact else max(owners)[1]


def _problem(failed: dict[str, Any]) -> Problem:
    where = ", ".join(key for key in failed["keys"] if key)
    message = f"{failed['says']} ({where})" if where else failed["says"]
    return Problem(f"{PREFIX}{failed['id']}", message, _REMEDY)
