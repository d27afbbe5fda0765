"""PyYAML's C composer, told to resolve scalars as Helm does: every node keeps its marks, every scalar its value.

A scalar node's `tag` holds a `Resolved` for a scalar without an explicit tag, which saves one pass over the document.
"""

from __future__ import annotations

import operator
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from yaml._yaml import CParser

from mldeploy.values import scalars
from mldeploy.values.odd import is_odd

if TYPE_CHECKING:
    from collections.abc import Iterator

    class Node:
        """A node of PyYAML's, as it is after `strictness.settle`."""

        start_mark: Mark
        end_mark: Mark

    class ScalarNode(Node):
        """A scalar: its text, its quotes (or `|`, `>`; empty for none), and what Helm makes of it."""

        value: str
        style: str
        tag: Resolved

    class MappingNode(Node):
        """A mapping: pairs in the order of the file; `flow_style` is true for `{}`; `entries` is `effective`'s memo."""

        value: list[tuple[Node, Node]]
        flow_style: bool
        entries: dict[str, tuple[ScalarNode, Node]] | None

    class SequenceNode(Node):
        """A list; `flow_style` is true for `[]`."""

        value: list[Node]
        flow_style: bool
else:
    from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

    MappingNode.entries = None

__all__ = ["MappingNode", "Mark", "Node", "Resolved", "ScalarNode", "SequenceNode", "compose", "events"]


class Mark(Protocol):
    """A place in a text, as PyYAML gives it: line and column from 0, index in characters."""

    line: int
    column: int
    index: int


class Resolved(NamedTuple):
    """What a scalar is.

    Attributes:
        value: what Helm makes of it.
        plain: whether it was written without quotes and without a tag.
        odd: whether a rule may have something to say about it (see `odd`).
    """

    value: scalars.Scalar
    plain: bool
    odd: bool


@lru_cache(maxsize=1 << 16)
def _resolve(_kind: type, text: str | None, implicit: tuple[bool, bool]) -> Resolved | None:
    if text is None:
        return None  # a collection
    value = scalars.plain(text) if implicit[0] else text
    return Resolved(value, implicit[0], is_odd(text, value, plain=implicit[0]))


class _Composer(CParser):
    # The composer calls these for every node, so they are all written in C: a lookup that has the answer for each text
    # that occurred before, and two that do nothing (there are no path resolvers).
    resolve = staticmethod(_resolve)
    descend_resolver = staticmethod(operator.is_)
    ascend_resolver = staticmethod(tuple)


def compose(text: str) -> Node | None:
    """Compose the first document of a text; what follows `...` is not read, as in Helm.

    Raises:
        yaml.YAMLError: with marks; it is not YAML.
    """
    composer = _Composer(text)
    try:
        return cast("Node | None", composer.get_node() if composer.check_node() else None)
    finally:
        composer.dispose()


def events(text: str) -> Iterator[object]:
    """Give the parser's events, without composing anything.

    Raises:
        yaml.YAMLError: as in `compose`.
    """
    parser = CParser(text)
    while parser.check_event():
        yield parser.get_event()
