"""Changes a service's keys while it is in use: nobody who has the old one or the new one is refused in between.

A store's value may hold several keys, one a line. All of them are accepted, and the first is what clients are given.
So a new key is added last, made the first when every pod accepts it, and the old one goes when its owners have moved.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mldeploy.errors import MldeployError
from mldeploy.progress import Progress
from mldeploy.secrets.asking import Asker
from mldeploy.secrets.following import follow, sync
from mldeploy.secrets.opening import check_writable, opened
from mldeploy.secrets.sources import Source, given
from mldeploy.smoke.kube import ApiClient, connect, disconnect
from mldeploy.values import Release, Workspace

_RANDOM_BYTES = 32


@dataclass(frozen=True)
class _Key:
    """One key of a release's Secret, and where it comes from."""

    name: str
    remote: str
    property: str


@dataclass(frozen=True)
class _Work:
    api: ApiClient
    release: Release
    source: Source
    asker: Asker
    progress: Progress

    def lines(self, key: _Key) -> list[str]:
        found = self.source.read(key.remote).get(key.property, "").split()
        if not found:
            raise MldeployError(
                f"{self.source.where(key.remote)} has no {key.property}", remedy="seed it: mldeploy secrets seed"
            )
        return found

    def put(self, key: _Key, lines: list[str], *, refused: list[str] | None = None) -> None:
        self.source.write(key.remote, {key.property: "\n".join(lines)})
        sync(self.api, self.release)
        follow(self.api, self.release, self.asker, key.name, accepted=lines, refused=refused or ())


def rotate(
    root: Path, environment: str, service: str, progress: Progress, *, kubeconfig: Path | None, context: str
) -> tuple[str, ...]:
    """Give a service new keys; the old ones stay valid until `retire`.

    Args:
        root: the checkout.
        environment: dev, staging, ...
        service: whose keys, in that environment.
        progress: told each step.
        kubeconfig: the file that names the cluster; None: as kubectl finds it.
        context: the context in it; empty: the current one.

    Returns:
        Where the new keys are, never a value.

    Raises:
        MldeployError: the service takes no keys from a store, a rotation is under way, or the pods do not follow.
    """

    def one(work: _Work, key: _Key) -> bool:
        old = work.lines(key)
        if len(old) > 1:
            raise MldeployError(
                f"{work.source.where(key.remote)}: {key.property} has {len(old)} keys: a rotation is under way",
                remedy=f"end it: mldeploy secrets retire {environment} {service}; the first of them stays",
            )
        new = secrets.token_urlsafe(_RANDOM_BYTES)
        with work.progress.step(f"Adding a new {key.name} for {work.release.name}", key="secrets.add"):
            work.put(key, [*old, new])
        with work.progress.step(f"Giving it to the clients of {work.release.name}", key="secrets.switch"):
            work.put(key, [new, *old])
        return True

    return _each_key(root, environment, service, progress, one, kubeconfig=kubeconfig, context=context)


def retire(
    root: Path, environment: str, service: str, progress: Progress, *, kubeconfig: Path | None, context: str
) -> tuple[str, ...]:
    """End a rotation: the first key of each stays, which clients were given, and the others are refused from now on.

    Args, Raises: see `rotate`; there may be nothing to retire.

    Returns:
        Where keys were taken out, never a value.
    """

    def one(work: _Work, key: _Key) -> bool:
        first, *old = work.lines(key)
        if not old:
            return False
        with work.progress.step(f"Retiring the old {key.name} of {work.release.name}", key="secrets.retire"):
            work.put(key, [first], refused=old)
        return True

    return _each_key(root, environment, service, progress, one, kubeconfig=kubeconfig, context=context)


def _each_key(
    root: Path,
    environment: str,
    service: str,
    progress: Progress,
    one: Callable[[_Work, _Key], bool],
    *,
    kubeconfig: Path | None,
    context: str,
) -> tuple[str, ...]:
    check_writable(root, environment)
    workspace = Workspace(root)
    release = workspace.release(environment, service)
    keys = _keys(release, workspace.layered(release).values.get("externalSecret"))
    by_hand = given(root, environment)
    for key in keys:
        if key.property in by_hand.get(key.remote, {}):
            raise MldeployError(
                f".mldeploy/secrets/{environment}.yaml sets {key.remote}: {key.property}, and would set it again",
                remedy="take it out there; or add the new key below the old one, seed, and go on by hand",
            )
    api = connect(kubeconfig, context)
    try:
        with opened(root, environment, api, kubeconfig=kubeconfig, context=context) as source:
            work = _Work(api, release, source, Asker(api, root, release), progress)
            return tuple(f"{source.where(key.remote)}: {key.property}" for key in keys if one(work, key))
    finally:
        disconnect(api)


def _keys(release: Release, declared: Any) -> list[_Key]:
    if not declared or not declared.get("enabled"):
        raise MldeployError(
            f"{release.name} takes no secrets from a store", remedy="set externalSecret in its values (docs/secrets.md)"
        )
    return [_Key(name, remote["key"], remote.get("property", "")) for name, remote in declared["data"].items()]
