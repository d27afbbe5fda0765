"""What an overlay says: which objects it adds, changes and takes away, each in a file of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from mldeploy.errors import MldeployError
from mldeploy.overlay.source import Target
from mldeploy.overlay.strategic import PATCH, patch
from mldeploy.plan.objects import Manifested

INSTANCE = "app.kubernetes.io/instance"
# Where the release's name stands as a label besides metadata.labels, as kustomize writes it: the kind, if one alone.
_LABEL_FIELDS = (
    ("", "spec/selector/matchLabels"),
    ("Service", "spec/selector"),
    ("", "spec/podSelector/matchLabels"),
    ("", "spec/template/metadata/labels"),
    ("", "spec/template/spec/topologySpreadConstraints/labelSelector/matchLabels"),
    ("CronJob", "spec/jobTemplate/spec/template/metadata/labels"),
)
Object = dict[str, Any]
Id = tuple[str, str, str]


@dataclass
class Differences:
    """The parts of an overlay, by the name of their file.

    Attributes:
        resources: objects that the base has not.
        patches: what differs of those that it has.
    """

    resources: dict[str, Object] = field(default_factory=dict)
    patches: dict[str, Object] = field(default_factory=dict)


def identify(each: Manifested, prefix: str = "") -> Id:
    """Name an object as the base does."""
    return each.group, each.kind, each.name.removeprefix(prefix)


def differences(transformed: Iterable[Manifested], target: Target, names: Mapping[Id, str]) -> Differences:
    """Say what has to be done to what kustomize makes of the base, so that it becomes the release.

    Args:
        transformed: the base with the overlay's namespace, prefix and labels.
        target: the release.
        names: what each object's file is called.

    Raises:
        MldeployError: an object's name does not begin as the release's does.
    """
    found = Differences()
    before = {identify(each, target.prefix): each for each in transformed}
    after = {identify(each, target.prefix): each for each in target.objects}
    for key, each in after.items():
        if not each.name.startswith(target.prefix):
            raise MldeployError(
                f"{target.release.environment}: {each.kind}/{each.name} does not begin with {target.prefix!r}",
                remedy="let the chart name its objects for the release",
            )
        known = before.get(key)
        if known is None:
            found.resources[names[key]] = _renamed(each.data, key[2])
        elif changed := patch(known.data, each.data):
            found.patches[names[key]] = _aimed(known, key[2], changed)
    for key, each in before.items():
        if key not in after:
            found.patches[names[key]] = _aimed(each, key[2], {PATCH: "delete"})
    return found


def file_names(objects: Iterable[Manifested], prefix: str, known: Mapping[Id, str]) -> dict[Id, str]:
    """Call each object's file as its template is called; those of one template also by kind and name."""
    names = dict(known)
    for each in objects:
        key = identify(each, prefix)
        if key in names:
            continue
        stem = "configMap" if each.kind == "ConfigMap" else PurePosixPath(each.source).stem or each.kind.lower()
        name = f"{stem}.yaml"
        names[key] = name if name not in names.values() else f"{stem}-{each.kind.lower()}-{key[2]}.yaml"
    return names


def patch_name(name: str) -> str:
    """Call the patch of a base's file: as the file, and a ConfigMap's `map.yaml`."""
    return "map.yaml" if name == "configMap.yaml" else name


def kustomization(
    resources: Sequence[str], *, target: Target | None = None, labels: str = "", patches: Sequence[str] = ()
) -> str:
    """Write a kustomization.yaml without its first line."""
    lines = ["apiVersion: kustomize.config.k8s.io/v1beta1", "kind: Kustomization", *_listed("resources", resources)]
    if target is not None:
        lines += [f'namespace: "{target.release.namespace}"']
        lines += [f'namePrefix: "{target.prefix}"'] if target.prefix else []
    return "\n".join(lines) + "\n" + labels + "".join(f"{line}\n" for line in _patches(patches))


def labels(target: Target) -> str:
    """Write the part that puts the release's name where it is a label; "" where not every object has it."""
    name = target.release.name
    if not all((each.data["metadata"].get("labels") or {}).get(INSTANCE) == name for each in target.objects):
        return ""
    lines = ["labels:", "  - pairs:", f'      {INSTANCE}: "{name}"']
    fields = [field for field in _LABEL_FIELDS if _everywhere(target, *field)]
    if fields:
        lines.append("    fields:")
    for kind, path in fields:
        lines.append(f"      - path: {path}")
        lines += [f"        kind: {kind}"] if kind else []
    return "".join(f"{line}\n" for line in lines)


def _everywhere(target: Target, kind: str, path: str) -> bool:
    """Say whether a path leads to maps with the release's name only: kustomize would put it into all of them."""
    maps = [
        found
        for each in target.objects
        if kind in ("", each.kind)
        for found in _at(each.data, path.split("/"))
        if isinstance(found, dict)
    ]
    return bool(maps) and all(found.get(INSTANCE) == target.release.name for found in maps)


def _at(value: Any, steps: Sequence[str]) -> Iterable[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _at(item, steps)
    elif not steps:
        yield value
    elif isinstance(value, dict) and steps[0] in value:
        yield from _at(value[steps[0]], steps[1:])


def _aimed(each: Manifested, name: str, changed: Object) -> Object:
    own = {key: value for key, value in changed.items() if key != "metadata"}
    metadata = {**changed.get("metadata", {}), "name": name}
    return {"apiVersion": each.api_version, "kind": each.kind, "metadata": metadata, **own}


def _renamed(data: Object, name: str) -> Object:
    metadata = {key: value for key, value in data["metadata"].items() if key != "namespace"}
    return {**data, "metadata": {**metadata, "name": name}}


def _listed(key: str, names: Sequence[str]) -> list[str]:
    return [f"{key}:", *(f"  - {name}" for name in names)] if names else [f"{key}: []"]


def _patches(names: Sequence[str]) -> list[str]:
    return ["patches:", *(f"  - path: {name}" for name in names)] if names else []
