"""The single values in a tree of values, and a tree without one of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mldeploy.values.document import Keys


def leaves(value: Any, keys: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """Give every value that is no mapping with something in it, and its keys; a list is one value.

    Args:
        value: values, or what is below `keys` in them.
        keys: where `value` is.
    """
    if isinstance(value, dict) and value:
        for key, child in value.items():
            yield from leaves(child, (*keys, key))
    elif keys:
        yield keys, value


def without(values: Mapping[str, Any], keys: Keys) -> dict[str, Any]:
    """Give the values without one key; the mappings on the way to it are copied.

    Raises:
        KeyError: there is no such key.
    """
    copied: dict[Any, Any] = dict(values)
    first, *rest = keys
    if rest:
        copied[first] = without(copied[first], tuple(rest))
    else:
        del copied[first]
    return copied
