"""Which Kubernetes minors a release has to be right for: those that its environment runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from mldeploy.check import openapi
from mldeploy.errors import MldeployError
from mldeploy.render import Release

Minor = tuple[int, int]
KEY = "kubernetes"
_MINOR = re.compile(r"v?(\d+)\.(\d+)(\..*)?")


def minors(root: Path, release: Release) -> list[Minor]:
    """Give the minors that a release is checked for, the oldest first.

    Args:
        root: the checkout; `deployments/<environment>/environment.yaml` lists the minors under `kubernetes`.
        release: where its helmfile names a `kubeVersion`, that counts instead.

    Returns:
        The newest that is described here, where neither names one.

    Raises:
        MldeployError: one that is named is not described here, or is not written as text.
    """
    if release.kube_version:
        return [_known(f"{release.name}: kubeVersion", release.kube_version)]
    path = root / "deployments" / release.environment / "environment.yaml"
    named = _named(path)
    if not named:
        return openapi.minors()[-1:]
    return sorted({_known(f"{path.relative_to(root)}: {KEY}:", each) for each in named})


def written(minor: Minor) -> str:
    """Write a minor as people do: "1.36"."""
    return f"{minor[0]}.{minor[1]}"


def _named(path: Path) -> list[Any]:
    try:
        content = yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return []  # helmfile says what is wrong with it, or needs no such file
    named = content.get(KEY) if isinstance(content, dict) else None
    return named if isinstance(named, list) else [] if named is None else [named]


def _known(where: str, version: Any) -> Minor:
    described = openapi.minors()
    match = _MINOR.fullmatch(version) if isinstance(version, str) else None
    if match is None:
        raise MldeployError(
            f"{where} {version!r} is no version", remedy=f"write a list of text: ['{written(described[-1])}']"
        )
    minor = (int(match[1]), int(match[2]))
    if minor not in described:
        listed = ", ".join(map(written, described))
        raise MldeployError(
            f"{where} {version} has no schemas here, only {listed}",
            remedy="name one of these, or add it to scripts/mldeploy/check/openapi/sources.toml",
        )
    return minor
