"""Aliases: cycles and bombs, found on the composed nodes without expanding anything.

PyYAML gives an alias as the very node that it refers to. Go-yaml v2 counts its decoding steps and stops when nearly
all of them come from aliases; the same count is made here from the sizes of the nodes, so that what Helm refuses is
refused, and what it would expand into more than a document may hold as well.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mldeploy.values.construct import ConstructError, is_merge
from mldeploy.values.guard import MAX_DEPTH, MAX_NODES
from mldeploy.values.nodes import MappingNode, Node, SequenceNode

if TYPE_CHECKING:
    from collections.abc import Iterator

_ALIAS = re.compile(r"[\s\[{,:]\*[0-9A-Za-z_-]")
_LOW, _HIGH = 400_000, 4_000_000  # go-yaml's alias_ratio_range_low and _high


def check(root: Node, text: str) -> None:
    """Refuse aliases that Helm refuses, or that expand beyond the limits of `guard`.

    Raises:
        ConstructError: at the alias's anchor, or at the node around it.
    """
    if "&" in text and _ALIAS.search(text):
        _Counter().count(root)


class _Counter:
    """Sizes, in go-yaml's decoding steps, and depths of nodes; memoised, so that each node is visited once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, int]] = {}
        self._open: set[int] = set()
        self._steps = 1  # the document itself
        self._alias_steps = 0

    def count(self, node: Node, depth: int = 0) -> tuple[int, int]:
        """Give a node's steps and its depth, both with its aliases expanded."""
        known = self._known.get(id(node))
        if known is not None:
            return self._alias(node, known, depth)
        if id(node) in self._open:
            raise ConstructError(node, "an anchor's value contains itself", "break the cycle")
        self._open.add(id(node))
        self._steps += 1
        steps, deepest = 1, 0
        for child in _children(node):
            child_steps, child_depth = self.count(child, depth + 1)
            steps += child_steps
            deepest = max(deepest, child_depth + 1)
        self._open.discard(id(node))
        self._known[id(node)] = (steps, deepest)
        return steps, deepest

    def _alias(self, node: Node, known: tuple[int, int], depth: int) -> tuple[int, int]:
        steps, deepest = known
        self._steps += steps + 1
        self._alias_steps += steps
        if self._alias_steps > MAX_NODES:
            raise ConstructError(node, f"aliases expand to more than {MAX_NODES:,} values", "write fewer aliases")
        if depth + deepest > MAX_DEPTH:
            raise ConstructError(node, f"aliases nest deeper than {MAX_DEPTH} levels", "write fewer aliases")
        excessive = self._alias_steps / self._steps > _allowed(self._steps)
        if self._alias_steps > 100 and self._steps > 1000 and excessive:
            raise ConstructError(node, "nearly all values come from aliases; Helm refuses that", "write fewer aliases")
        return steps + 1, deepest


def _children(node: Node) -> Iterator[Node]:
    if isinstance(node, SequenceNode):
        yield from node.value
    elif isinstance(node, MappingNode):
        for key_node, child in node.value:
            if not is_merge(key_node):
                yield key_node
            yield child


def _allowed(steps: int) -> float:
    if steps <= _LOW:
        return 0.99
    return 0.10 if steps >= _HIGH else 0.99 - 0.89 * (steps - _LOW) / (_HIGH - _LOW)
