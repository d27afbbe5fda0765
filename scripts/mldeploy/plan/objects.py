"""Which object is which: matched by kind, namespace and name, wherever a template puts it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from mldeploy.render import RenderedObject

# Kinds that live in no namespace; an object of another kind that names none is in its release's.
_CLUSTER_KINDS = {
    "APIService", "CSIDriver", "CSINode", "ClusterRole", "ClusterRoleBinding", "ClusterTrustBundle",
    "CustomResourceDefinition", "DeviceClass", "FlowSchema", "IngressClass", "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding", "MutatingWebhookConfiguration", "Namespace", "Node", "PersistentVolume",
    "PriorityClass", "PriorityLevelConfiguration", "RuntimeClass", "StorageClass", "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration", "VolumeAttributesClass",
    "ClusterSecretStore", "ClusterExternalSecret", "ClusterPushSecret", "ClusterGenerator",
    "ClusterTriggerAuthentication", "ClusterIssuer",
}  # fmt: skip
_HOOK = "helm.sh/hook"
_KEEP = "helm.sh/resource-policy"


@dataclass(frozen=True)
class Manifested:
    """An object of a release.

    Attributes:
        namespace: its own, or the release's where it names none; "" for kinds without namespaces.
        data: the object as rendered.
    """

    api_version: str
    kind: str
    namespace: str
    name: str
    source: str
    data: dict[str, Any]

    @property
    def group(self) -> str:
        """The API group, without the version."""
        return self.api_version.rpartition("/")[0]

    @property
    def hook(self) -> bool:
        """It is a Helm hook."""
        return _HOOK in self._annotations

    @property
    def kept(self) -> bool:
        """Helm leaves it in the cluster when it leaves the release."""
        return self._annotations.get(_KEEP) == "keep"

    @property
    def _annotations(self) -> dict[str, Any]:
        metadata = self.data.get("metadata")
        annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
        return annotations if isinstance(annotations, dict) else {}


def manifested(objects: Iterable[RenderedObject], namespace: str) -> Iterator[Manifested]:
    """Give the objects of a release one by one; a `List` gives its items."""
    for each in objects:
        data = each.data
        if not isinstance(data, dict):
            continue
        if str(data.get("kind", "")).endswith("List") and isinstance(data.get("items"), list):
            items = [RenderedObject(each.source, item) for item in data["items"]]
            yield from manifested(items, namespace)
            continue
        metadata = data.get("metadata") if isinstance(data.get("metadata"), dict) else {}
        assert isinstance(metadata, dict)  # noqa: S101 - the line above made it one
        kind = str(data.get("kind", ""))
        own = str(metadata.get("namespace") or namespace)
        yield Manifested(
            api_version=str(data.get("apiVersion", "")),
            kind=kind,
            namespace="" if kind in _CLUSTER_KINDS else own,
            name=str(metadata.get("name") or metadata.get("generateName") or ""),
            source=each.source,
            data=data,
        )


Pair = tuple[Manifested | None, Manifested | None]


def pairs(before: Iterable[Manifested], after: Iterable[Manifested]) -> list[Pair]:
    """Match the objects of two renders: by API group, kind, namespace and name; what is left, without the group.

    An object that moved to another group ("extensions" to "networking.k8s.io") is thereby one that changed.
    """
    old, new = list(before), list(after)
    found: list[Pair] = []
    for key in (_with_group, _without_group):
        by_key = {key(each): each for each in old}
        rest: list[Manifested] = []
        for each in new:
            match = by_key.pop(key(each), None)
            if match is None:
                rest.append(each)
            else:
                found.append((match, each))
                old.remove(match)
        new = rest
    return [*found, *((each, None) for each in old), *((None, each) for each in new)]


def _with_group(each: Manifested) -> tuple[str, ...]:
    return (each.group, each.kind, each.namespace, each.name)


def _without_group(each: Manifested) -> tuple[str, ...]:
    return (each.kind, each.namespace, each.name)
