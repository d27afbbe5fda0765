"""Fills what an environment's store reads, with keys that nobody chose or those of a git-ignored file."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mldeploy.progress import Progress
from mldeploy.secrets.opening import check_writable, opened
from mldeploy.secrets.sources import Source, given
from mldeploy.smoke.kube import connect, disconnect
from mldeploy.values import Workspace

_RANDOM_BYTES = 32


@dataclass(frozen=True)
class Seeded:
    """What was written: `store/secret: property`, never a value; empty when everything was there."""

    written: tuple[str, ...]


def seed(root: Path, environment: str, progress: Progress, *, kubeconfig: Path | None, context: str) -> Seeded:
    """Write what the environment's releases take from the store and it does not have yet.

    A value of `.mldeploy/secrets/<environment>.yaml` (secret to property to text) goes before what is there; anything
    else that is missing is random, and what is there stays. Values go to the store in requests' bodies and are in
    no argument, message or log.

    Args:
        root: the checkout, whose values say which secrets are wanted.
        environment: one whose store can be written from here.
        progress: told how many were written.
        kubeconfig: the file that names the cluster; None: as kubectl finds it.
        context: the context in it; empty: the current one.

    Raises:
        MldeployError: the environment's store is not written from here, the file is readable for others or no such
            mapping, or the store refuses.
    """
    check_writable(root, environment)
    wanted = _wanted(root, environment)
    by_hand = given(root, environment)
    api = connect(kubeconfig, context)
    try:
        with opened(root, environment, api, kubeconfig=kubeconfig, context=context) as source:
            source.prepare()
            written: list[str] = []
            for key in sorted(wanted.keys() | by_hand.keys()):
                written += _fill(source, key, wanted.get(key, set()), by_hand.get(key, {}))
    finally:
        disconnect(api)
    progress.note(f"secrets of {environment}: {f'{len(written)} written' if written else 'nothing to write'}")
    return Seeded(tuple(written))


def _wanted(root: Path, environment: str) -> dict[str, set[str]]:
    """Name the properties that releases take, by secret of the store."""
    workspace = Workspace(root)
    found: dict[str, set[str]] = {}
    for release in workspace.releases(environment):
        declared: Any = workspace.layered(release).values.get("externalSecret") or {}
        if declared.get("enabled"):
            for remote in declared["data"].values():
                found.setdefault(remote["key"], set()).add(remote.get("property", ""))
    return found


def _fill(source: Source, key: str, wanted: set[str], by_hand: Mapping[str, str]) -> list[str]:
    have = source.read(key)
    new = {name: value for name, value in by_hand.items() if have.get(name) != value}
    new |= {name: secrets.token_urlsafe(_RANDOM_BYTES) for name in wanted if name not in have and name not in by_hand}
    if new:
        source.write(key, new)
    return [f"{source.where(key)}: {name}" for name in sorted(new)]
