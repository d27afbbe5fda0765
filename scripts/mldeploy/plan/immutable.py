"""Fields that the API server refuses to change on an object that exists; tests/cluster asks a real one."""

from __future__ import annotations

from collections.abc import Callable

from mldeploy.plan.model import MISSING, FieldChange, Path_
from mldeploy.plan.objects import Manifested

_MUTABLE_STATEFULSET = {
    "replicas", "ordinals", "template", "updateStrategy", "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
    "revisionHistoryLimit",
}  # fmt: skip
_MUTABLE_JOB = {"parallelism", "suspend", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"}
_MUTABLE_CLAIM = ("resources", "volumeAttributesClassName")

Rule = Callable[[Manifested, FieldChange], bool]


def immutable(each: Manifested, change: FieldChange) -> bool:
    """Say whether an apply of this change to an existing object would be refused.

    Hooks are never: Helm deletes a hook before it makes it again.
    """
    rule = _RULES.get(each.kind)
    return rule is not None and not each.hook and rule(each, change)


def _below(*prefixes: Path_) -> Rule:
    return lambda _, change: any(change.path[: len(prefix)] == prefix for prefix in prefixes)


def _spec_except(mutable: set[str] | tuple[str, ...]) -> Rule:
    def rule(_: Manifested, change: FieldChange) -> bool:
        return change.path[:1] == ("spec",) and len(change.path) > 1 and change.path[1] not in mutable

    return rule


def _address(_: Manifested, change: FieldChange) -> bool:
    # An address that a manifest stops naming is kept by the API server; one that it begins to name is a change.
    return change.path[:2] in {("spec", "clusterIP"), ("spec", "clusterIPs")} and change.after is not MISSING


def _frozen(each: Manifested, change: FieldChange) -> bool:
    if each.kind == "Secret" and change.path[:1] == ("type",):
        return True
    was = change.before if change.path == ("immutable",) else each.data.get("immutable")
    return was is True and change.path[:1] in {("data",), ("binaryData",), ("stringData",), ("immutable",)}


_RULES: dict[str, Rule] = {
    "Deployment": _below(("spec", "selector")),
    "DaemonSet": _below(("spec", "selector")),
    "ReplicaSet": _below(("spec", "selector")),
    "StatefulSet": _spec_except(_MUTABLE_STATEFULSET),
    "Job": _spec_except(_MUTABLE_JOB),
    "PersistentVolumeClaim": _spec_except(_MUTABLE_CLAIM),
    "Service": _address,
    "ConfigMap": _frozen,
    "Secret": _frozen,
    "RoleBinding": _below(("roleRef",)),
    "ClusterRoleBinding": _below(("roleRef",)),
    "StorageClass": _below(("provisioner",), ("parameters",), ("reclaimPolicy",), ("volumeBindingMode",)),
    "PriorityClass": _below(("value",), ("preemptionPolicy",)),
    "IngressClass": _below(("spec", "controller")),
    "CustomResourceDefinition": _below(("spec", "group"), ("spec", "scope"), ("spec", "names", "plural")),
}
