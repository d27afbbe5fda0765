"""What surrounds a failure: the release's pods, its warnings, and the last log lines of those that may be at fault."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from mldeploy.smoke.kube import ApiClient, ApiError, core, explained
from mldeploy.smoke.pods import state
from mldeploy.smoke.readiness import labels
from mldeploy.smoke.redact import Redactor
from mldeploy.values import Release

_EVENTS = 10
_LOG_LINES = 10


def diagnose(
    api: ApiClient, release: Release, redact: Redactor, suspects: Collection[str] | None = ()
) -> tuple[str, ...]:
    """Describe a release's pods: states, warnings, logs; secrets are taken out.

    Args:
        api: the cluster.
        release: whose pods.
        redact: applied to every line that comes from the cluster.
        suspects: names of pods that may be at fault however well they look; None: all of the release.

    Returns:
        Lines of text; where the API server refuses something, a line says so.
    """
    try:
        with explained(f"list the pods of release {release.name}"):
            pods = core(api).list_namespaced_pod(release.namespace, label_selector=labels(release)).items
    except ApiError as error:
        return (str(error),)
    lines = [f"pod {pod.metadata.name} {state(pod)}{_restarts(pod)}" for pod in pods]
    suspected = {pod.metadata.name for pod in pods} if suspects is None else suspects
    # Where some pods are not well, those that are have nothing to tell, unless they are suspected.
    telling = [pod for pod in pods if state(pod) != "is ready" or pod.metadata.name in suspected] or pods
    lines += _guarded(lambda: list(_warnings(api, release, {pod.metadata.name for pod in telling})))
    for pod in telling:
        lines += _guarded(lambda pod=pod: list(_logs(api, pod)))
    return tuple(redact(line) for line in lines) or (f"release {release.name} has no pods",)


def _guarded(read: Any) -> list[str]:
    try:
        lines: list[str] = read()
    except ApiError as error:
        return [str(error)]
    return lines


def _restarts(pod: Any) -> str:
    count = sum(one.restart_count for one in pod.status.container_statuses or [])
    return f", restarted {count} times" if count > 1 else ", restarted once" if count else ""


def _warnings(api: ApiClient, release: Release, pods: set[str]) -> Iterator[str]:
    """The last warnings about some pods, and about the other objects that are called as the release is."""
    with explained(f"list events in namespace {release.namespace}"):
        events = core(api).list_namespaced_event(release.namespace, field_selector="type=Warning").items
    about = [event for event in events if _concerns(event.involved_object, release, pods)]
    for event in sorted(about, key=_when)[-_EVENTS:]:
        what = event.involved_object
        times = f" ({event.count} times)" if (event.count or 1) > 1 else ""
        yield f"event {what.kind} {what.name}: {event.reason}: {' '.join((event.message or '').split())}{times}"


def _concerns(what: Any, release: Release, pods: set[str]) -> bool:
    if what.kind == "Pod":
        return what.name in pods
    return f"{what.name}-".startswith(f"{release.name}-")


def _when(event: Any) -> str:
    moment = event.last_timestamp or event.event_time or event.metadata.creation_timestamp
    return moment.isoformat() if moment else ""


def _logs(api: ApiClient, pod: Any) -> Iterator[str]:
    for container in pod.status.container_statuses or []:
        now, before = container.state, container.last_state
        # A container that waits to be started again says nothing: what its last run said is of interest.
        previous = now is not None and now.waiting is not None and before is not None and before.terminated is not None
        if not previous and (now is None or (now.running is None and now.terminated is None)):
            continue
        with explained(f"read the log of pod {pod.metadata.name}"):
            text = core(api).read_namespaced_pod_log(
                pod.metadata.name,
                pod.metadata.namespace,
                container=container.name,
                tail_lines=_LOG_LINES,
                previous=previous,
            )
        for line in (text or "").splitlines():
            yield f"log {pod.metadata.name} ({container.name}): {line}"
