"""The strategic-merge patch that makes one object of another: what differs, and nothing else.

The algorithm is Kubernetes' own (sig-api-machinery, "strategic merge patch"), the other way round: maps are merged by
key, lists of objects by the merge key that the API gives the field, every other list is replaced as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# The API's patch merge keys (`x-kubernetes-patch-merge-key`), by the field's name.
_MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
}
# Lists that kustomize merges by two keys, one of which is likely to be what differs: as a whole, then.
_TWO_KEYS = {"ports", "topologySpreadConstraints"}
# API groups that have no merge keys: kustomize knows no schema of theirs, and replaces every list.
_BUILT_IN = ("apps", "batch", "autoscaling", "policy", "networking.k8s.io", "rbac.authorization.k8s.io", "")
PATCH = "$patch"
Steps = tuple[str, ...]
MergeKeys = Mapping[str, str]


def patch(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Give the patch, without what says which object it is for; {} where nothing differs."""
    found = _maps(before, after, merging(before))
    assert isinstance(found, dict)  # noqa: S101 - of two objects
    return found


def leaves(patched: Any, keyed: MergeKeys, path: Steps = (), where: Any = ()) -> Iterator[Any]:
    """Give every place that a patch sets, as (path by merge keys, path by position)."""
    if isinstance(patched, dict) and patched:
        for key, child in patched.items():
            yield from leaves(child, keyed, (*path, key), (*where, key))
    elif isinstance(patched, list) and (key := _merge_key(patched, path[-1] if path else "", keyed)):
        for index, item in enumerate(patched):
            rest = {name: child for name, child in item.items() if name != key}
            yield from leaves(rest, keyed, (*path, f"{key}={item[key]}"), (*where, index))
    else:
        yield path, where


def merging(data: dict[str, Any]) -> MergeKeys:
    """Give the merge keys that count for an object, by the field's name."""
    group = str(data.get("apiVersion", "")).rpartition("/")[0]
    return _MERGE_KEYS if group in _BUILT_IN else {}


def _maps(before: dict[str, Any], after: dict[str, Any], keyed: MergeKeys) -> dict[str, Any]:
    if before and not after:
        return {PATCH: "replace"}
    found: dict[str, Any] = {}
    for key in sorted({*before, *after}):
        old, new = before.get(key), after.get(key)
        if _same(old, new):
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            found[key] = _maps(old, new, keyed)
        elif isinstance(old, list) and isinstance(new, list):
            found[key] = _lists(old, new, key, keyed)
        else:
            found[key] = new
    return found


def _lists(old: list[Any], new: list[Any], field: str, keyed: MergeKeys) -> list[Any]:
    if keyed and field in _TWO_KEYS:
        return [{PATCH: "replace"}, *new]
    key = _merge_key([*old, *new], field, keyed)
    if key is None:
        return new
    names = [item[key] for item in old]
    kept = [item for item in new if item[key] in names]
    # What is added would stand before the rest, and what is twice could not be told apart: the list as a whole, then.
    unique = len(set(names)) == len(names) and len({item[key] for item in new}) == len(new)
    if not unique or kept != new or [item[key] for item in new] != [name for name in names if name in _keys(new, key)]:
        return [{PATCH: "replace"}, *new]
    merged: list[Any] = []
    for item in old:
        match = next((each for each in new if each[key] == item[key]), None)
        if match is None:
            merged.append({key: item[key], PATCH: "delete"})
        elif not _same(item, match):
            merged.append({key: item[key], **_maps(item, match, keyed)})
    return merged


def _keys(items: list[Any], key: str) -> set[Any]:
    return {item[key] for item in items}


def _merge_key(items: list[Any], field: str, keyed: MergeKeys) -> str | None:
    key = keyed.get(field)
    named = bool(items) and all(isinstance(item, dict) and isinstance(item.get(key), str) for item in items)
    return key if named else None


def _same(one: Any, other: Any) -> bool:
    """Say whether two values are equal as JSON: 1 is not true, and not 1.0."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and bool(one == other)
