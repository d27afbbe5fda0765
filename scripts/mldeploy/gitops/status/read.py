"""Reads what agents say from a cluster; agents that are not there are passed over."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from mldeploy.errors import MldeployError
from mldeploy.gitops.status import argocd, flux
from mldeploy.gitops.status.model import Status
from mldeploy.progress import Progress
from mldeploy.smoke.kube import ApiClient, ApiError, connect, disconnect, explained

# (group, version, plural of the agent's kind, how it tells)
_AGENTS: tuple[tuple[str, str, str, Callable[[dict[str, Any]], Status]], ...] = (
    (argocd.GROUP, argocd.VERSION, argocd.PLURAL, argocd.status),
    (flux.GROUP, flux.VERSION, flux.PLURAL, flux.status),
)
_NOT_FOUND = 404
_PAUSE_S = 1.0


def statuses(kubeconfig: Path | None, context: str) -> list[Status]:
    """Tell the status of everything that agents deploy, in order of environment, service and name.

    Args:
        kubeconfig: the file that names the cluster; None: as kubectl finds it.
        context: the context in it; empty: the current one.

    Raises:
        MldeployError: the cluster has no agent that is known here, refuses, or does not answer.
    """
    api = connect(kubeconfig, context)
    try:
        return _read(api)
    finally:
        disconnect(api)


def await_deployed(
    kubeconfig: Path | None,
    context: str,
    names: Collection[str],
    revision: str,
    progress: Progress,
    *,
    timeout_s: float,
) -> list[Status]:
    """Wait until a commit is deployed, and well.

    Args:
        kubeconfig: as for `statuses`.
        context: as for `statuses`.
        names: of the agents' objects.
        revision: the commit.
        progress: told what is waited for.
        timeout_s: the deadline.

    Returns:
        Their statuses.

    Raises:
        MldeployError: the deadline has passed (each that is not well is named), or the cluster refuses.
    """
    api = connect(kubeconfig, context)
    deadline = time.monotonic() + timeout_s
    try:
        with progress.step(
            f"Waiting for {', '.join(sorted(names))} to be deployed from git", key="gitops await"
        ) as step:
            while True:
                found = [one for one in _read(api) if one.name in names]
                waiting = [
                    f"{one.name}: {_in_words(one)}" for one in found if not (one.good and one.revision == revision)
                ]
                waiting += [f"{name}: not there yet" for name in sorted(set(names) - {one.name for one in found})]
                if not waiting:
                    return found
                step.update("; ".join(waiting))
                if time.monotonic() > deadline:
                    raise MldeployError(
                        f"not deployed from git after {timeout_s:g} s: " + "; ".join(waiting),
                        remedy="see mldeploy gitops status, and mldeploy smoke for the pods",
                    )
                time.sleep(_PAUSE_S)
    finally:
        disconnect(api)


def _in_words(one: Status) -> str:
    return f"{one.sync}, {one.health} at {one.revision or 'no commit'}" + (f" ({one.message})" if one.message else "")


def _read(api: ApiClient) -> list[Status]:
    from kubernetes.client import CustomObjectsApi

    objects = CustomObjectsApi(api)
    found: list[Status] = []
    there = False
    for group, version, plural, status in _AGENTS:
        try:
            with explained(f"list {plural}.{group}"):
                listed: Any = objects.list_cluster_custom_object(group, version, plural)
        except ApiError as error:
            # The kind is the agent's own: without it there is no such agent.
            if error.status != _NOT_FOUND:
                raise
            continue
        there = True
        found += [status(one) for one in listed["items"]]
    if not there:
        raise MldeployError(
            "this cluster deploys nothing from git: it has neither Argo CD nor Flux",
            remedy="see docs/gitops.md; on this machine: mldeploy up --with argocd",
        )
    return sorted(found, key=lambda one: (one.environment, one.service, one.name))
