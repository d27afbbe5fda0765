"""From nodes to plain values, by the rules of go-yaml v2 and sigs.k8s.io/yaml.

Entries apply in the order of the file: a later key replaces an earlier one, and `<<` replaces what stands before it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from mldeploy.values import scalars
from mldeploy.values.nodes import MappingNode, Node, ScalarNode, SequenceNode

if TYPE_CHECKING:
    from mldeploy.values.document import Value

_MERGE = "<<"
_NAN = "float nan"  # never equal to itself, so that a Go map holds each of them
_ZEROS = {"0": "-0", "-0": "0"}  # equal as float keys of a Go map, which keeps the one that was set last


class ConstructError(ValueError):
    """Helm refuses a node; the message says why."""

    def __init__(self, node: Node, what: str, remedy: str) -> None:
        super().__init__(what)
        self.node = node
        self.remedy = remedy


class Duplicate(NamedTuple):
    """A key that one mapping sets twice: Helm keeps the later one and says nothing."""

    name: str
    earlier: ScalarNode
    later: ScalarNode


class Overridden(NamedTuple):
    """A key that stands before a `<<` which brings it, too: go-yaml v2 takes the merged one."""

    name: str
    key: ScalarNode
    merge: ScalarNode


@dataclass
class Notes:
    """What is noticed while values are built: keys set twice, keys that a merge replaces, and whether any is odd."""

    duplicates: list[Duplicate] = field(default_factory=list)
    overridden: list[Overridden] = field(default_factory=list)
    odd: bool = False


def construct(root: MappingNode) -> tuple[dict[str, Value], Notes]:
    """Build the plain values of a document.

    Raises:
        ConstructError: a key or value that Helm refuses.
    """
    notes = Notes()
    return _mapping(root, notes), notes


def plain_value(node: Node) -> Value:
    """Build the plain value of one node of a document that `construct` has accepted."""
    return _value(node, Notes())


def effective(node: MappingNode) -> dict[str, tuple[ScalarNode, Node]]:
    """Give the entries of a mapping after merge keys and duplicates: name -> key node, value node.

    Raises:
        ConstructError: a key that Helm refuses.
    """
    if node.entries is None:
        entries: dict[str, tuple[ScalarNode, Node]] = {}
        _gather(node, entries, {})
        node.entries = entries
    return node.entries


def is_merge(key_node: Node) -> bool:
    """Tell whether a key is a merge key (`<<`, unquoted)."""
    return bool(isinstance(key_node, ScalarNode) and key_node.value == _MERGE and key_node.tag.plain)


def _value(node: Node, notes: Notes) -> Value:
    # This and _mapping run for every value of every file; they are written for speed.
    kind = type(node)
    if kind is ScalarNode:
        return _scalar(node, notes)  # type: ignore[arg-type]
    if kind is MappingNode:
        return _mapping(node, notes)  # type: ignore[arg-type]
    return [_value(child, notes) for child in node.value]  # type: ignore[attr-defined]


def _scalar(node: ScalarNode, notes: Notes) -> Value:
    value, _, odd = node.tag
    if odd:
        notes.odd = True
    if type(value) is float and not math.isfinite(value):
        raise ConstructError(node, f"Helm cannot hold {node.value}", "write a finite number, or quote it")
    return value


def _mapping(node: MappingNode, notes: Notes) -> dict[str, Value]:
    out: dict[str, Value] = {}
    for key_node, child in node.value:
        if type(key_node) is not ScalarNode:
            return _unusual(node, notes)
        name, _, odd = key_node.tag
        if type(name) is not str or name == _MERGE:
            return _unusual(node, notes)
        if odd:
            notes.odd = True
        if name in out:
            notes.duplicates.append(Duplicate(name, _earlier(node, name, key_node), key_node))
        out[name] = _scalar(child, notes) if type(child) is ScalarNode else _value(child, notes)
    return out


def _unusual(node: MappingNode, notes: Notes) -> dict[str, Value]:
    """Build a mapping that has merge keys or keys that are no strings."""
    notes.odd = True
    seen: dict[str, ScalarNode] = {}
    for key_node, child in node.value:
        if not isinstance(key_node, ScalarNode):
            continue
        if is_merge(key_node):
            for name in {
                name for source in _merge_sources(key_node, child) for name in effective(source)
            } & seen.keys():
                notes.overridden.append(Overridden(name, seen[name], key_node))
            continue
        name = _name(key_node)[0]
        if name in seen:
            notes.duplicates.append(Duplicate(name, seen[name], key_node))
        seen[name] = key_node
    return {name: _value(child, notes) for name, (_, child) in effective(node).items()}


def _gather(node: MappingNode, entries: dict[str, tuple[ScalarNode, Node]], types: dict[str, str]) -> None:
    for key_node, child in node.value:
        if not isinstance(key_node, ScalarNode):
            raise ConstructError(key_node, "a key may not be a list or a mapping", "write a plain key")
        if is_merge(key_node):
            for source in _merge_sources(key_node, child):
                _gather(source, entries, types)
            continue
        name, kind = _name(key_node)
        if types.setdefault(name, kind) != kind or (kind == _NAN and name in entries):
            raise ConstructError(
                key_node,
                f"'{name}' is set twice, once as a {types[name]} and once as a {kind}; Helm keeps one at random",
                "keep one of them, quoted",
            )
        if types.get(_ZEROS.get(name, ""), "").startswith("float") and kind.startswith("float"):
            entries.pop(_ZEROS[name], None)
        entries[name] = (key_node, child)


def _merge_sources(key_node: ScalarNode, child: Node) -> list[MappingNode]:
    # Go-yaml applies a list of mappings from its end, so that earlier ones take precedence.
    nodes = list(reversed(child.value)) if isinstance(child, SequenceNode) else [child]
    sources = [node for node in nodes if isinstance(node, MappingNode)]
    if len(sources) < len(nodes):
        raise ConstructError(key_node, "'<<' needs a mapping, or a list of mappings", "merge an anchored mapping")
    return sources


def _name(key_node: ScalarNode) -> tuple[str, str]:
    try:
        return scalars.key(key_node.value, key_node.tag.value)
    except scalars.ScalarError as error:
        raise ConstructError(key_node, str(error), "quote the key") from error


def _earlier(node: MappingNode, name: str, later: ScalarNode) -> ScalarNode:
    found = later
    for key_node, _ in node.value:
        if key_node is later:
            break
        if isinstance(key_node, ScalarNode) and not is_merge(key_node) and _name(key_node)[0] == name:
            found = key_node
    return found
