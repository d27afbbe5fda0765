"""Why a release failed: what its namespace's events say about its pods, which Helm has taken back by then."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from mldeploy.rollout.listing import listed

# Longer than any release may take (helmDefaults.timeout), so that no cause is too old.
_YOUNG = timedelta(minutes=10)
_SHOWN = 6
_PULL = re.compile(r'^Failed to pull image "(?P<image>[^"]+)": (?P<cause>.*)$', re.DOTALL)
# Said while a pod starts, or beside the cause.
_NOISE = {"FailedGetResourceMetric", "FailedComputeMetricsReplicas", "Unhealthy", "BackOff"}
_ECHO = re.compile(r"^Error: (ErrImagePull|ImagePullBackOff)$")


def causes(namespace: str, release: str, *, context: str = "") -> Sequence[str]:
    """Tell what went wrong with a release's objects in the last minutes, the likeliest causes first.

    Args:
        namespace: the release's.
        release: its name.
        context: the kube-context; empty: the current one.

    Returns:
        A line for each cause; none where the events say nothing.

    Raises:
        ProcessError: kubectl is missing, or the cluster does not answer.
    """
    events = listed("events", namespace, "--field-selector", "type=Warning", context=context)
    return explain(events, release, datetime.now(UTC))


def explain(events: Iterable[dict[str, Any]], release: str, now: datetime) -> list[str]:
    """Make lines from warnings (Kubernetes events): those about the release, young enough, each said once."""
    about = [
        event
        for event in events
        if f"{event['involvedObject'].get('name', '')}-".startswith(f"{release}-")
        and now - _when(event) < _YOUNG
        # The copy that `mldeploy secrets check` shows the operator; its word is told there.
        and not (_is_unsynced(event) and event["involvedObject"]["name"] == f"{release}-check")
    ]
    # A pod that waits for the Secret of an ExternalSecret, whose own event says why there is none.
    explained = {f'secret "{event["involvedObject"]["name"]}" not found' for event in about if _is_unsynced(event)}
    about = [event for event in about if not str(event.get("message", "")).endswith(tuple(explained))]
    about.sort(key=_when, reverse=True)
    loud = [_line(e) for e in about if e.get("reason") not in _NOISE and not _ECHO.match(e.get("message", ""))]
    quiet = [_line(e) for e in about if e.get("reason") in {"Unhealthy", "BackOff"}]
    return list(dict.fromkeys(loud or quiet))[:_SHOWN]


def _is_unsynced(event: dict[str, Any]) -> bool:
    return bool(event["involvedObject"].get("kind") == "ExternalSecret")


def _line(event: dict[str, Any]) -> str:
    message = " ".join(str(event.get("message", "")).split())
    if _is_unsynced(event):
        return (
            f"ExternalSecret {event['involvedObject']['name']} cannot be synced: {message}; "
            "put it into the store, or correct externalSecret in the values"
        )
    pull = _PULL.match(message)
    if pull:
        return (
            f'image "{pull["image"]}" cannot be pulled ({pull["cause"].rpartition(": ")[2]}); '
            "correct image.repository or image.tag, or load the image: mldeploy image load"
        )
    # Pods of one Deployment have the same trouble: without their own names it is said once.
    return f"{event['reason']}: {message}"


def _when(event: dict[str, Any]) -> datetime:
    text = event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"]
    return datetime.fromisoformat(text)
