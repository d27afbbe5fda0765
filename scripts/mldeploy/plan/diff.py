"""Compares two Kubernetes objects by meaning: maps by key, lists by the keys that Kubernetes merges them by."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from mldeploy.plan.model import MISSING, FieldChange, Item, Path_
from mldeploy.plan.quantity import same_quantity

# The merge keys of the API's lists (`x-kubernetes-list-map-keys`, `x-kubernetes-patch-merge-key`), by the field's name;
# the first that all items of both sides have, with different values, is used. Other lists are compared in order.
_MERGE_KEYS: dict[str, tuple[tuple[str, ...], ...]] = {
    "containers": (("name",),),
    "initContainers": (("name",),),
    "ephemeralContainers": (("name",),),
    "env": (("name",),),
    "volumes": (("name",),),
    "volumeMounts": (("mountPath",),),
    "volumeDevices": (("devicePath",),),
    "ports": (("containerPort", "protocol"), ("port", "protocol"), ("containerPort",), ("port",), ("name",)),
    "imagePullSecrets": (("name",),),
    "hostAliases": (("ip",),),
    "topologySpreadConstraints": (("topologyKey", "whenUnsatisfiable"), ("topologyKey",)),
    "resourceClaims": (("name",),),
    "versions": (("name",),),
    "webhooks": (("name",),),
    "validatingWebhooks": (("name",),),
    "volumeClaimTemplates": (("metadata.name",),),
    "data": (("secretKey",),),  # ExternalSecret
    "triggers": (("name",), ("type",)),  # ScaledObject
}
# Lists whose order is part of their meaning although their items have keys.
_ORDERED = {"initContainers"}
_EMPTY_IS_ABSENT = {("metadata", "labels"), ("metadata", "annotations")}


def diff(before: Any, after: Any, path: Path_ = ()) -> Iterator[FieldChange]:
    """Give the fields in which two values differ, as high up as one side has nothing to compare with.

    Quantities below `requests` and `limits` are equal when their amounts are ("1000m" and "1"); a null is the same as
    nothing, as it is for the API server.
    """
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after}):
            yield from _compare(before.get(key), after.get(key), (*path, str(key)))
    elif isinstance(before, list) and isinstance(after, list):
        yield from _lists(before, after, path)
    elif not _same(before, after, path):
        yield FieldChange(path, before, after)


def _compare(before: Any, after: Any, path: Path_) -> Iterator[FieldChange]:
    if path[-2:] in _EMPTY_IS_ABSENT:
        before, after = before or {}, after or {}
    if before is None and after is None:
        return
    if before is None or after is None:
        yield FieldChange(path, MISSING if before is None else before, MISSING if after is None else after)
    else:
        yield from diff(before, after, path)


def _same(before: Any, after: Any, path: Path_) -> bool:
    if type(before) is type(after) and before == after:
        return True
    if len(path) > 1 and path[-2] in {"requests", "limits"}:
        return same_quantity(before, after)
    return False


def _lists(before: list[Any], after: list[Any], path: Path_) -> Iterator[FieldChange]:
    keys = _merge_keys(before, after, path)
    if keys is None:
        yield from _positional(before, after, path)
        return
    old = {_label(item, keys): item for item in before}
    new = {_label(item, keys): item for item in after}
    for label in [*old, *(label for label in new if label not in old)]:
        yield from _compare(old.get(label), new.get(label), (*path, Item(label)))
    if path[-1] in _ORDERED and list(old) != list(new) and set(old) == set(new):
        yield FieldChange((*path, "(order)"), list(old), list(new))


def _positional(before: list[Any], after: list[Any], path: Path_) -> Iterator[FieldChange]:
    if _text(before) == _text(after):
        return
    if not all(isinstance(item, dict) for item in [*before, *after]):
        yield FieldChange(path, before, after)
        return
    # Objects without a key: those found on both sides are equal wherever they stand; the rest are compared in order.
    common = {_text(item) for item in before} & {_text(item) for item in after}
    old = [(index, item) for index, item in enumerate(before) if _text(item) not in common]
    new = [(index, item) for index, item in enumerate(after) if _text(item) not in common]
    if not old and not new:
        yield FieldChange((*path, "(order)"), before, after)
    for position in range(max(len(old), len(new))):
        one = old[position] if position < len(old) else None
        other = new[position] if position < len(new) else None
        index = other[0] if other is not None else one[0] if one is not None else 0
        yield from _compare(one and one[1], other and other[1], (*path, Item(str(index))))


def _merge_keys(before: list[Any], after: list[Any], path: Path_) -> tuple[str, ...] | None:
    for keys in _MERGE_KEYS.get(path[-1] if path else "", ()):
        if all(_unique(items, keys) for items in (before, after)):
            return keys
    return None


def _unique(items: list[Any], keys: tuple[str, ...]) -> bool:
    if not all(isinstance(item, dict) and _value(item, keys[0]) is not None for item in items):
        return False
    return len({_label(item, keys) for item in items}) == len(items)


def _label(item: dict[str, Any], keys: tuple[str, ...]) -> str:
    return "/".join(str(value) for key in keys if (value := _value(item, key)) is not None)


def _value(item: dict[str, Any], key: str) -> Any:
    found: Any = item
    for part in key.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def leaves(value: Any, path: Path_) -> Iterator[tuple[Path_, Any]]:
    """Give every scalar below `value` with its path, items of lists by the names that `diff` gives them."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield from leaves(child, (*path, str(key)))
    elif isinstance(value, list):
        keys = _merge_keys(value, [], path)
        for index, child in enumerate(value):
            label = _label(child, keys) if keys is not None and isinstance(child, dict) else str(index)
            yield from leaves(child, (*path, Item(label)))
    elif value is not MISSING:
        yield path, value
