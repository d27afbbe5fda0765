"""What of a release serves once its upgrade has failed and Helm has gone back to what ran before.

Helm 4 waits for its own rollback by the Deployment's conditions, and the one that says «progress deadline exceeded»
outlives the failed upgrade by a moment: Helm may then report that the rollback failed although it did all of it. So the
pods are asked, not the condition.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mldeploy.rollout.listing import listed

# Pods of the failed upgrade are taken back within a second or two; those that the rollback has to start again get no
# more of the user's time than this.
_PATIENCE_S = 20.0
_PAUSE_S = 0.5


def standing(namespace: str, release: str, *, context: str = "") -> Sequence[str]:
    """Tell for each Deployment of a release whether its pods serve; waits up to 20 s for those that are being replaced.

    Args:
        namespace: the release's.
        release: its name, which is its objects' `app.kubernetes.io/instance`.
        context: the kube-context; empty: the current one.

    Returns:
        A line for each Deployment; none where the release has none (a first installation that failed is taken away).

    Raises:
        ProcessError: kubectl is missing, or the cluster does not answer.
    """
    selector = f"app.kubernetes.io/instance={release}"
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        found = listed("deployments", namespace, "--selector", selector, context=context)
        if all(is_settled(each) for each in found) or time.monotonic() > deadline:
            return tell(found)
        time.sleep(_PAUSE_S)


def is_settled(deployment: Mapping[str, Any]) -> bool:
    """Tell whether a Deployment's pods are all of its present template, available, and the only ones."""
    status = deployment.get("status", {})
    counts = {status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")}
    seen = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    return bool(seen and counts == {deployment["spec"]["replicas"]})


def tell(deployments: Iterable[Mapping[str, Any]]) -> list[str]:
    """Make a line for each Deployment (Kubernetes objects)."""
    lines = []
    for each in deployments:
        ready, wanted = each.get("status", {}).get("availableReplicas", 0), each["spec"]["replicas"]
        if is_settled(each):
            lines.append(f"Deployment {each['metadata']['name']} serves: {ready} of {wanted} pods, all of one template")
        else:
            lines.append(f"Deployment {each['metadata']['name']} is not settled yet: {ready} of {wanted} pods serve")
    return lines
