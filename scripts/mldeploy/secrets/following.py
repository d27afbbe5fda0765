"""Brings a change of the store to where it counts: the operator fetches it now, the kubelet gives it to the pods."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from mldeploy.errors import MldeployError
from mldeploy.secrets.asking import Asker
from mldeploy.secrets.condition import ready
from mldeploy.smoke.kube import ApiClient, core, explained
from mldeploy.values import Release

_GROUP, _VERSION, _PLURAL, _STORES = "external-secrets.io", "v1", "externalsecrets", "secretstores"
_SYNC_S = 60.0
# The operator looks within a second, or some on a busy machine; a refusal that is older than our question, and the same
# after this, still holds.
_STALE_S = 20.0
_FOLLOW_S = 180.0
_POLL_S = 0.2
_BOTH = "both the old and the new value are still in the store; mend the cause and run this again"


def sync(api: ApiClient, release: Release) -> None:
    """Have the operator fetch a release's secrets now, not when its interval has passed; wait until it has.

    Raises:
        ApiError: the API server refuses, or cannot be reached.
        MldeployError: the operator cannot fetch them, or does not answer.
    """
    from kubernetes.client import CustomObjectsApi

    objects: Any = CustomObjectsApi(api)
    where = (_GROUP, _VERSION, release.namespace, _PLURAL, release.name)
    doing = f"have ExternalSecret {release.name} synced"

    def look() -> dict[str, Any]:
        with explained(doing):
            return dict(objects.get_namespaced_custom_object(*where))

    before = look()
    asked = time.monotonic()
    with explained(doing):
        objects.patch_namespaced_custom_object(*where, _looked_at_now())

    def synced() -> bool:
        now = look()
        said = ready(now)
        stale = said == ready(before) and time.monotonic() - asked <= _STALE_S
        if said is not None and said["status"] == "False" and not stale:
            raise MldeployError(
                f"ExternalSecret {release.name} cannot be synced: {said['message']}",
                remedy=f"see kubectl describe externalsecret {release.name} -n {release.namespace}",
            )
        return _synced_version(now) != _synced_version(before)

    _wait(synced, f"the operator to sync ExternalSecret {release.name}", _SYNC_S, remedy=_BOTH)


def wake_stores(api: ApiClient, namespace: str) -> None:
    """Have the operator try a namespace's stores now; wait until it takes them as ready.

    One that it could not reach it tries again only after about as long as the outage was, and refuses what reads it.

    Raises:
        ApiError: the API server refuses, or cannot be reached.
        MldeployError: they are not ready in time.
    """
    from kubernetes.client import CustomObjectsApi

    objects: Any = CustomObjectsApi(api)
    where = (_GROUP, _VERSION, namespace, _STORES)
    doing = f"have the stores of namespace {namespace} tried"

    def stores() -> list[dict[str, Any]]:
        with explained(doing):
            return list(objects.list_namespaced_custom_object(*where)["items"])

    for store in stores():
        with explained(doing):
            objects.patch_namespaced_custom_object(*where, store["metadata"]["name"], _looked_at_now())
    _wait(
        lambda: all((ready(store) or {}).get("status") == "True" for store in stores()),
        f"the operator to reach the stores of namespace {namespace}",
        _SYNC_S,
        remedy=f"kubectl describe secretstores -n {namespace} tells why",
    )


def _looked_at_now() -> dict[str, Any]:
    """Give a patch of an object after which the operator looks at it: any changed annotation makes it."""
    return {"metadata": {"annotations": {"force-sync": str(time.time_ns())}}}


def _synced_version(found: Mapping[str, Any]) -> str | None:
    version: str | None = found.get("status", {}).get("syncedResourceVersion")
    return version


def follow(
    api: ApiClient,
    release: Release,
    asker: Asker,
    key: str,
    *,
    accepted: Collection[str],
    refused: Collection[str] = (),
) -> None:
    """Wait until every pod accepts what it is to accept, and nothing that it is to refuse.

    Raises:
        ApiError: the API server refuses, or cannot be reached.
        MldeployError: they do not in time.
    """
    refresh(api, release)
    done: set[str] = set()

    def followed() -> bool:
        pods = asker.pods()
        for pod in pods:
            if pod.uid in done:
                continue
            if all(asker.accepts(pod, key, value) for value in accepted) and not any(
                asker.accepts(pod, key, value) for value in refused
            ):
                done.add(pod.uid)
        return bool(pods) and all(pod.uid in done for pod in pods)

    _wait(followed, f"the pods of {release.name} to follow {key}", _FOLLOW_S, remedy=_BOTH)


def refresh(api: ApiClient, release: Release) -> None:
    """Have the kubelet look at the pods' Secrets now: it does when anything of a pod changes, else within two minutes.

    Raises:
        ApiError: the API server refuses, or cannot be reached.
    """
    selector = f"app.kubernetes.io/instance={release.name}"
    body = {"metadata": {"annotations": {"mldeploy/secrets-refreshed": str(time.time_ns())}}}
    with explained(f"refresh the pods of release {release.name}"):
        for pod in core(api).list_namespaced_pod(release.namespace, label_selector=selector).items:
            core(api).patch_namespaced_pod(pod.metadata.name, release.namespace, body)


def _wait(condition: Callable[[], bool], what: str, timeout_s: float, *, remedy: str) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise MldeployError(f"waited {timeout_s:g} s in vain for {what}", remedy=remedy)
        time.sleep(_POLL_S)
