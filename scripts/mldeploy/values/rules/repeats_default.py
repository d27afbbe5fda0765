"""A value that only repeats what is there without it.

Environment files hold differences. A value that equals what the layers below give hides which settings really differ,
and stays behind when the default changes. `--fix` removes the line where it stands alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldeploy.values.nodes import MappingNode, SequenceNode
from mldeploy.values.problem import Edit, Problem, at_key, dotted, shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mldeploy.values.document import Document, Entry, Keys, Value
    from mldeploy.values.layered import Layered
    from mldeploy.values.lint import Subject

ID = "repeats-default"


def check(subject: Subject) -> Iterator[Problem]:
    """Compare every value of every environment file with the layers below it, in every release that reads the file."""
    readers: dict[Path, list[tuple[Layered, int]]] = {}
    for layered in subject.releases:
        for height, layer in enumerate(layered.layers[1:], 1):
            readers.setdefault(layer.path, []).append((layered, height))
    for uses in readers.values():
        first, height = uses[0]
        document = first.layers[height]
        below = [layered.below(height) for layered, height in uses]
        for keys in _repeated(document.values, below, ()):
            entry, other = document.find(keys), _lower(first, height, keys)
            if entry is not None and other is not None:
                yield at_key(
                    entry,
                    f"'{dotted(keys)}' is {shown(entry.value)} without this line, too",
                    "remove it",
                    related=((other.position, "it is set here"),),
                    fix=_removal(document, entry),
                    severity="warning",
                )


def _repeated(own: dict[str, Value], below: list[dict[str, Value]], keys: tuple[str, ...]) -> Iterator[Keys]:
    for name, value in own.items():
        if not all(name in values for values in below):
            continue
        others = [values[name] for values in below]
        mappings = [other for other in others if isinstance(other, dict)]
        if isinstance(value, dict) and value:
            if len(mappings) == len(others):
                yield from _repeated(value, mappings, (*keys, name))
        elif value is not None and all(_same(other, value) for other in others):
            yield (*keys, name)


def _same(left: Value, right: Value) -> bool:
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[name], right[name]) for name in left)
    return isinstance(left, bool) == isinstance(right, bool) and left == right


def _lower(layered: Layered, height: int, keys: Keys) -> Entry | None:
    return next((entry for layer in reversed(layered.layers[:height]) if (entry := layer.find(keys))), None)


def _removal(document: Document, entry: Entry) -> tuple[Edit, ...]:
    """Remove whole lines: only where the entry has them to itself and its mapping keeps another key."""
    key = entry.key_node
    first, last = entry.key_position.line, entry.key_position.line
    if key is None or isinstance(entry.node, SequenceNode) or entry.node.start_mark.line != entry.node.end_mark.line:
        return ()
    row = document.lines[first - 1]
    alone = row[: entry.key_position.column - 1].strip() == "" and entry.position.line == first
    after = row[entry.key_position.column - 1 + entry.node.end_mark.column - key.start_mark.column :].strip()
    parent = document.find(entry.keys[:-1])
    siblings = len(parent.node.value) if parent and isinstance(parent.node, MappingNode) else 0
    if not alone or after or siblings < 2 or parent is None or getattr(parent.node, "flow_style", False):
        return ()
    return (Edit(document.path, first, 1, last + 1, 1, ""),)
