"""What is the matter with pods: their states, and the reason that keeps each from being ready, in one line."""

from __future__ import annotations

from typing import Any

from mldeploy.smoke.kube import ApiClient, ApiError, core, explained


def why_not_ready(api: ApiClient, namespace: str, selector: str) -> str:
    """Say for each pod that a Service selects why it is not ready; asks the API server.

    Args:
        api: the cluster.
        namespace: the Service's.
        selector: the Service's, as `name=value,...`.
    """
    try:
        with explained(f"list pods in namespace {namespace}"):
            pods = core(api).list_namespaced_pod(namespace, label_selector=selector).items
    except ApiError as error:
        return error.message
    if not pods:
        return f"no pod in namespace {namespace} has the labels {selector}"
    return "; ".join(f"pod {pod.metadata.name} {state(pod)}" for pod in pods)


def state(pod: Any) -> str:
    """Describe a pod's state: "is ready", or what it waits for, or how it ended; one line."""
    status = pod.status
    if pod.metadata.deletion_timestamp is not None:
        return "is being deleted"
    for container in [*(status.init_container_statuses or []), *(status.container_statuses or [])]:
        found = _container(container)
        if found:
            return f"({container.name}) {found}"
    for condition in status.conditions or []:
        if condition.type == "PodScheduled" and condition.status != "True":
            return f"is not scheduled: {condition.message or condition.reason}"
    for condition in status.conditions or []:
        if condition.type == "Ready" and condition.status != "True":
            return f"is not ready: {condition.message or condition.reason or status.phase}"
    return "is ready" if status.phase == "Running" else f"is {status.phase}"


def _container(container: Any) -> str:
    """Describe what keeps a container from running; empty if it runs, or has ended as it should."""
    now = container.state
    if now is not None and now.waiting is not None and now.waiting.reason not in {None, "PodInitializing"}:
        message = f": {now.waiting.message}" if now.waiting.message else ""
        last = container.last_state.terminated if container.last_state else None
        ended = f" (ended with {last.exit_code}, {last.reason})" if last else ""
        return f"{now.waiting.reason}{message}{ended}"
    if now is not None and now.terminated is not None and now.terminated.exit_code != 0:
        return f"ended with {now.terminated.exit_code} ({now.terminated.reason})"
    return ""
