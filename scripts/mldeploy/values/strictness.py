"""What libyaml 0.2.5 accepts and go-yaml v2 refuses or reads otherwise; found by the differential tests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mldeploy.values import scalars
from mldeploy.values.nodes import MappingNode, Mark, Node, Resolved, ScalarNode, SequenceNode
from mldeploy.values.odd import is_odd

if TYPE_CHECKING:
    from collections.abc import Iterator

_DIRECTIVE = re.compile(r"\A(?:[ \t]*(?:#[^\n]*)?\n)*%")
# Go-yaml v2 takes these indicators for a part of the tag; libyaml ends the tag before them.
_LONG_TAG = re.compile(r"(?:&\S+\s+)?!\S*[,\[\]]")
_SLASH = re.compile(r"(?<!\\)(?:\\\\)*\\/")
_BANG = re.compile(r"(?:&\S+\s+)?!(?=\s)")


class StrictError(ValueError):
    """Helm refuses the text at `mark`; the message says why."""

    def __init__(self, mark: Mark, what: str, remedy: str) -> None:
        super().__init__(what)
        self.mark = mark
        self.remedy = remedy


class _Start:
    line = column = index = 0


def check_text(text: str) -> None:
    """Refuse what can be seen before parsing.

    Raises:
        StrictError: a directive (Helm cuts the file between it and the document that it needs).
    """
    if text.startswith("%") or ("\n%" in text and _DIRECTIVE.match(text)):
        raise StrictError(_Start(), "Helm reads no file with a %YAML or %TAG directive", "remove the directive")


def settle(root: Node | None, text: str) -> None:
    """Turn explicit tags into values, and refuse scalars that go-yaml would have cut in two.

    Afterwards every scalar node's `tag` is a `Resolved`. A tag on a list or mapping means nothing, as in go-yaml.

    Raises:
        StrictError: a scalar that is not of its tag's type, or a `?` inside brackets.
    """
    if root is None or not ("!" in text or "?" in text or "\\/" in text):
        return
    for node, in_flow in _nodes(root):
        if _LONG_TAG.match(text, node.start_mark.index):
            raise StrictError(node.start_mark, "Helm takes ',', '[' and ']' for a part of the tag", "add a space")
        if isinstance(node, ScalarNode):
            _settle_scalar(node, text, in_flow=in_flow)


def _settle_scalar(node: ScalarNode, text: str, *, in_flow: bool) -> None:
    if in_flow and not node.style and "?" in node.value:
        raise StrictError(node.start_mark, "Helm takes a '?' inside [ ] or { } for an indicator", "quote the value")
    if node.style == '"' and _SLASH.search(text, node.start_mark.index, node.end_mark.index):
        raise StrictError(node.start_mark, "Helm knows no escape '\\/'", "write '/' without the backslash")
    tag: Resolved | str = node.tag
    if isinstance(tag, str):
        try:
            value = scalars.tagged(node.value, tag)
        except scalars.ScalarError as error:
            raise StrictError(node.start_mark, str(error), "remove the tag, or correct the value") from error
        node.tag = Resolved(value, tag == scalars.MERGE_TAG, is_odd(node.value, value, plain=False))
    elif tag.plain and (node.style or _BANG.match(text, node.start_mark.index)):
        node.tag = Resolved(
            node.value, True, is_odd(node.value, node.value, plain=False)
        )  # a lone "!" makes any scalar a string


def _nodes(root: Node) -> Iterator[tuple[Node, bool]]:
    seen: set[int] = set()
    todo: list[tuple[Node, bool]] = [(root, False)]
    while todo:
        node, in_flow = todo.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node, in_flow
        if isinstance(node, MappingNode):
            todo += [(child, in_flow or node.flow_style) for pair in node.value for child in pair]
        elif isinstance(node, SequenceNode):
            todo += [(child, in_flow or node.flow_style) for child in node.value]
