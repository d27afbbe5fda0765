"""When a cluster can be used: the API server, the node and DNS, as they are now and not as an earlier run left them."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from mldeploy.cluster import record, wait
from mldeploy.cluster.api import Api, ApiError
from mldeploy.cluster.layout import Layout
from mldeploy.errors import MldeployError

_ASK_S = 0.5
_SHOWN_LINES = 8


class Alive:
    """Why waiting makes no sense any more: "" while the cluster's keeper lives."""

    def __init__(self, place: Layout) -> None:
        self._place = place
        self._asked = time.monotonic()

    def __call__(self) -> str:
        """Give the reason; asked of the system only now and then."""
        if time.monotonic() - self._asked < _ASK_S:
            return ""
        self._asked = time.monotonic()
        return "" if record.running(self._place) else "the cluster has ended"


def await_component(
    place: Layout,
    condition: Callable[[], bool],
    what: str,
    *,
    component: str,
    timeout_s: float,
    alive: Callable[[], str],
) -> None:
    """Wait for a condition that the API server answers; no answer is not yet.

    Args:
        place: the cluster's files.
        condition: asked again and again.
        what: what is waited for, as a person reads it.
        component: the one whose last lines are shown when it does not come.
        timeout_s: the deadline.
        alive: "" while waiting still makes sense.

    Raises:
        MldeployError: the deadline has passed, or the cluster has ended.
    """

    def asked() -> bool:
        try:
            return condition()
        except ApiError:
            return False

    try:
        wait.until(asked, what, timeout_s=timeout_s, alive=alive)
    except MldeployError as error:
        raise MldeployError(
            f"cluster {place.name}: {error.message}; last lines of {component}:\n"
            f"{_last_lines(place.component_log(component))}",
            remedy=f"see mldeploy cluster logs {component} --name {place.name}",
        ) from error


def node_ready(api: Api, node: str, since: datetime) -> bool:
    """Tell whether the node is Ready, as its kubelet said after `since` (an older word is of an earlier run)."""
    conditions = api.get(f"/api/v1/nodes/{node}").get("status", {}).get("conditions", [])
    return any(
        one["type"] == "Ready" and one["status"] == "True" and _time(one["lastHeartbeatTime"]) >= since
        for one in conditions
    )


def dns_ready(api: Api, since: datetime) -> bool:
    """Tell whether a pod of the cluster's DNS is ready that was started after `since`."""
    pods = api.get("/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dkube-dns")["items"]
    return any(
        one["ready"] and _time(one["state"].get("running", {}).get("startedAt", "1970-01-01T00:00:00Z")) >= since
        for pod in pods
        for one in pod["status"].get("containerStatuses", [])
    )


def _last_lines(path: Path) -> str:
    try:
        return "\n".join(path.read_text("utf-8", "replace").splitlines()[-_SHOWN_LINES:])
    except OSError:
        return "(nothing)"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
