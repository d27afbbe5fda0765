"""Waits until a release's Deployments run what was applied last, by watching them."""

from __future__ import annotations

import time
from typing import Any

from mldeploy.smoke.kube import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, ApiClient, apps, explained
from mldeploy.smoke.result import FailedError
from mldeploy.values import Release


def labels(release: Release) -> str:
    """Give the label selector of everything that belongs to a release."""
    return f"app.kubernetes.io/instance={release.name}"


def wait_until_ready(api: ApiClient, release: Release, deadline: float) -> None:
    """Wait until every Deployment of a release has as many updated, available pods as it asks for.

    Args:
        api: the cluster.
        release: whose Deployments.
        deadline: on the monotonic clock.

    Raises:
        FailedError: there are none, one of them has given up, or they are not ready in time.
        ApiError: the API server refuses, or cannot be reached.
    """
    from kubernetes.watch import Watch

    verb = apps(api).list_namespaced_deployment
    which = {"label_selector": labels(release)}
    doing = f"watch the Deployments of release {release.name}"
    while True:
        with explained(doing):
            listed = verb(release.namespace, **which, _request_timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S))
        if not listed.items:
            raise FailedError(
                f"release {release.name} has no Deployment in namespace {release.namespace}: it is not deployed here"
            )
        pending = {one.metadata.name: _pending(one) for one in listed.items}
        if not any(pending.values()):
            return
        left = deadline - time.monotonic()
        if left <= 0:
            raise FailedError("; ".join(text for text in pending.values() if text))
        with explained(doing):
            events = Watch().stream(  # type: ignore[no-untyped-call]
                verb,
                release.namespace,
                **which,
                resource_version=listed.metadata.resource_version,
                timeout_seconds=max(1, int(left)),
                _request_timeout=(CONNECT_TIMEOUT_S, left + READ_TIMEOUT_S),
            )
            for event in events:
                pending[event["object"].metadata.name] = "" if event["type"] == "DELETED" else _pending(event["object"])
                if not any(pending.values()):
                    return


def _pending(deployment: Any) -> str:
    """Say what a Deployment still waits for; empty when it is ready.

    Raises:
        FailedError: it has given up.
    """
    name, status, wanted = deployment.metadata.name, deployment.status, deployment.spec.replicas or 0
    for condition in status.conditions or []:
        if condition.type == "Progressing" and condition.status == "False":
            raise FailedError(f"Deployment {name} has given up: {condition.message}")
    if (status.observed_generation or 0) < deployment.metadata.generation:
        return f"Deployment {name}: its last change has not been looked at yet"
    updated, available = status.updated_replicas or 0, status.available_replicas or 0
    old = max(0, (status.replicas or 0) - updated)
    if updated < wanted or available < updated or old:
        # An old pod that serves until a new one is ready counts as available, and must not pass for the new one.
        return (
            f"Deployment {name}: {max(0, available - old)} of {wanted} new pods are available, {old} old ones are left"
        )
    return ""
