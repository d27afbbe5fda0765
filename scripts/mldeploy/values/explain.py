"""Says what a release's values are, who set each, what it overrode, and what the schema says about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mldeploy.errors import MldeployError
from mldeploy.values.problem import did_you_mean, dotted

if TYPE_CHECKING:
    from mldeploy.values.document import Keys, Value
    from mldeploy.values.layered import Layered, Origin

_STEP = re.compile(r'(?:^|\.)(?:"([^"]*)"|([^.\[\]"]+))|\[([0-9]+)\]')


@dataclass(frozen=True)
class Explanation:
    """One value.

    Attributes:
        keys: where it stands.
        value: what templates see; None, too, where the key is removed.
        present: false where a null removes the key.
        origin: who set it, and what that overrode; None: nobody in these files (a subchart's default).
        schema: what the chart's schema says about the key.
    """

    keys: Keys
    value: Value
    present: bool
    origin: Origin | None
    schema: dict[str, Any]


@dataclass(frozen=True)
class Difference:
    """A value that differs between two environments; None: not there."""

    keys: Keys
    left: Explanation | None
    right: Explanation | None


def parse_keys(text: str) -> Keys:
    """Read dotted keys, as `dotted` writes them: `a.b[0]."c.d"`.

    Raises:
        MldeployError: they cannot be read.
    """
    keys: list[str | int] = []
    at = 0
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None or match.end() == at:
            raise MldeployError(f"'{text}' is no key", remedy="write it like probes.startup.periodSeconds or egress[0]")
        quoted, bare, index = match.groups()
        keys.append(int(index) if index is not None else quoted if quoted is not None else bare)
        at = match.end()
    return tuple(keys)


def explain(layered: Layered, keys: Keys) -> Explanation:
    """Explain one key of a release's values.

    Raises:
        MldeployError: there is no such key.
    """
    present, value = _at(layered.values, keys)
    origin = layered.origin(keys)
    if not present and origin is None:
        raise _unknown(layered, keys)
    schema = layered.schema.describe(keys) if layered.schema else {}
    return Explanation(keys, value, present, origin, schema)


def leaves(layered: Layered, under: Keys = ()) -> Iterator[Explanation]:
    """Explain every value below a key: scalars, lists as a whole, empty mappings; in the chart's order."""
    _, value = _at(layered.values, under)
    # Merging puts what environments set first; people look keys up in the order of the chart's values.yaml.
    charts = {keys: place for place, keys in enumerate(_leaf_keys(layered.below(len(layered.layers)), ()))}
    for keys in sorted(_leaf_keys(value, under), key=lambda keys: charts.get(keys, len(charts))):
        yield explain(layered, keys)


def differences(left: Layered, right: Layered, under: Keys = ()) -> list[Difference]:
    """Compare the values of one service in two environments, below a key."""
    ours = {found.keys: found for found in leaves(left, under)}
    theirs = {found.keys: found for found in leaves(right, under)}
    pairs = ((keys, ours.get(keys), theirs.get(keys)) for keys in dict.fromkeys((*ours, *theirs)))
    return [
        Difference(keys, one, other)
        for keys, one, other in pairs
        if one is None or other is None or not _same(one.value, other.value)
    ]


def _same(left: Value, right: Value) -> bool:
    return left == right and isinstance(left, bool) == isinstance(right, bool)


def _leaf_keys(value: Value, keys: Keys) -> Iterator[Keys]:
    if isinstance(value, dict) and value:
        for name, child in value.items():
            yield from _leaf_keys(child, (*keys, name))
    elif keys:
        yield keys


def _at(value: Value, keys: Keys) -> tuple[bool, Value]:
    for key in keys:
        if isinstance(value, dict) and key in value:
            value = value[str(key)]
        elif isinstance(value, list) and isinstance(key, int) and 0 <= key < len(value):
            value = value[key]
        else:
            return False, None
    return True, value


def _unknown(layered: Layered, keys: Keys) -> MldeployError:
    for length in range(len(keys)):
        present, _ = _at(layered.values, keys[: length + 1])
        if present:
            continue
        _, parent = _at(layered.values, keys[:length])
        near = did_you_mean(str(keys[length]), parent) if isinstance(parent, dict) else ""
        remedy = f"did you mean '{dotted((*keys[:length], near))}'?" if near else "see mldeploy explain ENV SERVICE"
        where = f" in '{dotted(keys[:length])}'" if length else ""
        return MldeployError(f"{layered.release.name} has no key '{keys[length]}'{where}", remedy=remedy)
    return MldeployError(
        f"{layered.release.name} has no key '{dotted(keys)}'", remedy="see mldeploy explain ENV SERVICE"
    )
