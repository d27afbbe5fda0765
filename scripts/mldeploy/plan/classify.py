"""Says what a change means: which pods restart, what the API server will refuse, what opens or widens."""

from __future__ import annotations

import re
from collections.abc import Callable

from mldeploy.plan import network, rbac
from mldeploy.plan.diff import leaves
from mldeploy.plan.immutable import immutable
from mldeploy.plan.model import MISSING, FieldChange, Kind, Path_, ordered
from mldeploy.plan.objects import Manifested

_RESTARTED = {"Deployment", "StatefulSet", "DaemonSet", "Rollout"}
SCALERS = {"HorizontalPodAutoscaler", "ScaledObject", "ScaledJob"}
_STORED = {"PersistentVolumeClaim", "PersistentVolume", "Namespace", "CustomResourceDefinition"}
_EXTERNAL_SECRETS = {"ExternalSecret", "ClusterExternalSecret"}
_CONTAINERS = {"containers", "initContainers", "ephemeralContainers"}
_SECRET_STEPS = {"secretKeyRef", "secretRef", "imagePullSecrets", "secretName", "secretStoreRef", "remoteRef"} | {
    # KEDA's: in a TriggerAuthentication, and in what uses one.
    "secretTargetRef",
    "authenticationRef",
}
_NOISE = re.compile(r"helm\.sh/chart|meta\.helm\.sh/.+|app\.kubernetes\.io/managed-by")


def is_noise(change: FieldChange) -> bool:
    """Say whether a field only repeats the chart's version or Helm's bookkeeping, on the object itself.

    The same label on a pod template is none: it restarts the pods.
    """
    path = change.path
    labelled = path[:2] in {("metadata", "labels"), ("metadata", "annotations")}
    return labelled and len(path) == 3 and _NOISE.fullmatch(path[2]) is not None


def classify(each: Manifested, change: FieldChange) -> tuple[Kind, ...]:
    """Give what one field's change means; `each` is the object as it will be."""
    return ordered(kind for kind, check in _FIELDS.items() if check(each, change))


def classify_whole(before: Manifested | None, after: Manifested | None) -> tuple[Kind, ...]:
    """Give what adding, removing or changing an object means as a whole; one of the two is not None."""
    each = after or before
    if each is None:
        return ()
    kinds = [kind for kind, check in _WHOLES.items() if check(before, after)]
    if each.hook:
        kinds.append(Kind.HOOK)
    if each.kind == "CustomResourceDefinition":
        kinds.append(Kind.CRD)
    if before is None or after is None:
        if each.kind in SCALERS:
            kinds.append(Kind.HPA)
        if each.kind == "PodDisruptionBudget":
            kinds.append(Kind.BUDGET)
        whole = FieldChange((), MISSING if before is None else before.data, MISSING if after is None else after.data)
        if _secret_reference(each, whole):
            kinds.append(Kind.SECRET_REFERENCE)
    return ordered(kinds)


def _data_loss(before: Manifested | None, after: Manifested | None) -> bool:
    return after is None and before is not None and before.kind in _STORED and not before.kept


def _restarts(each: Manifested, change: FieldChange) -> bool:
    return each.kind in _RESTARTED and change.path[:2] == ("spec", "template")


def _touched(change: FieldChange) -> list[Path_]:
    """Give every path that a change touches: its own, and those of all that it adds or removes with it."""
    below = [path for side in (change.before, change.after) for path, _ in leaves(side, change.path)]
    return below or [change.path]


def _image(_: Manifested, change: FieldChange) -> bool:
    return any(path[-1:] == ("image",) for path in _touched(change))


def _resources(each: Manifested, change: FieldChange) -> bool:
    claims = each.kind == "PersistentVolumeClaim"
    return any(
        "resources" in path and (claims or "volumeClaimTemplates" in path or _CONTAINERS & set(path))
        for path in _touched(change)
    )


def _hpa(each: Manifested, change: FieldChange) -> bool:
    return each.kind in SCALERS and change.path[:1] == ("spec",)


def _budget(each: Manifested, change: FieldChange) -> bool:
    return each.kind == "PodDisruptionBudget" and change.path[:1] == ("spec",)


def _replicas(_: Manifested, change: FieldChange) -> bool:
    return change.path == ("spec", "replicas")


def _secret_reference(each: Manifested, change: FieldChange) -> bool:
    if each.kind in _EXTERNAL_SECRETS and change.path[:1] in {("spec",), ()}:
        return True
    return any(_SECRET_STEPS & set(path) or {"volumes", "secret"} <= set(path) for path in _touched(change))


_FIELDS: dict[Kind, Callable[[Manifested, FieldChange], bool]] = {
    Kind.IMMUTABLE: immutable,
    Kind.RESTART: _restarts,
    Kind.IMAGE: _image,
    Kind.RESOURCES: _resources,
    Kind.HPA: _hpa,
    Kind.BUDGET: _budget,
    Kind.REPLICAS: _replicas,
    Kind.SECRET_REFERENCE: _secret_reference,
}
_WHOLES: dict[Kind, Callable[[Manifested | None, Manifested | None], bool]] = {
    Kind.DATA_LOSS: _data_loss,
    Kind.RBAC_WIDENED: rbac.widened,
    Kind.NETWORK_OPENED: network.opened,
}
