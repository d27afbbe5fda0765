"""Limits that keep a hostile or damaged values file from costing more than 0.2 s and 100 MB.

libyaml and Python's composer recurse and keep a record for every node, so the number of nodes and their depth are
bounded before anything is composed: by a cheap count over the text, and exactly, over events, where that is not
enough. Helm's own limits are far higher (10,000 levels, 3 MB); nothing that a release can hold comes near these.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_BYTES = 1 << 20  # a release, values and manifests together, must fit into a Secret of 1 MiB
MAX_DEPTH = 100
MAX_NODES = 40_000
MAX_DOCUMENTS = 100

_BRACKET = re.compile(r"[\[\]{}]")
_WIDE_FIRST = re.compile(rf"[ \t?:-]{{{MAX_DEPTH // 2}}}")
_WIDE_START = re.compile(rf"\n[ \t?:-]{{{MAX_DEPTH // 2}}}")


class LimitError(ValueError):
    """A limit is exceeded; `line` is 1-based and counts from the start of the text."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line


def check(text: str, events: Callable[[str], object]) -> None:
    """Refuse a text that nests too deeply or holds too many values.

    Args:
        text: one YAML document, line ends normalised.
        events: gives an iterable of PyYAML events for a text.

    Raises:
        LimitError: with the first line that goes beyond a limit.
    """
    nodes = text.count(",") + text.count("\n") * 2 + text.count("[") + text.count("{") + text.count("- ")
    # A level of blocks needs a column of its own, so the width of a line's start bounds how deep blocks nest.
    wide = _WIDE_FIRST.match(text) or _WIDE_START.search(text)
    if nodes > MAX_NODES or wide or _flow_depth(text) > MAX_DEPTH // 2:
        _check_events(events(text))


def _flow_depth(text: str) -> int:
    """Bound the depth of flow collections; brackets in strings and comments count, so it may be too high."""
    opened = text.count("[") - text.count("[]") + text.count("{") - text.count("{}")
    if opened <= MAX_DEPTH // 2:
        return opened
    depth = deepest = 0
    for match in _BRACKET.finditer(text):
        if match[0] in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif depth:
            depth -= 1
    return deepest


def _check_events(events: object) -> None:
    from yaml.events import CollectionEndEvent, CollectionStartEvent, DocumentEndEvent, ScalarEvent

    depth = nodes = 0
    for event in events:  # type: ignore[attr-defined]
        if isinstance(event, CollectionStartEvent):
            depth += 1
        elif isinstance(event, CollectionEndEvent):
            depth -= 1
        elif isinstance(event, DocumentEndEvent):
            return
        nodes += isinstance(event, CollectionStartEvent | ScalarEvent)
        if depth > MAX_DEPTH:
            raise LimitError(event.start_mark.line + 1, f"values nest deeper than {MAX_DEPTH} levels")
        if nodes > MAX_NODES:
            raise LimitError(event.start_mark.line + 1, f"more than {MAX_NODES:,} values in one document")
