"""A pattern in a chart's schema that Helm's validator refuses.

Helm matches with RE2, which has no look-around, back-references, possessive or atomic groups, and no counts above
1000. Such a pattern passes in Python and in editors, and fails every `helm template`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mldeploy.values.nodes import MappingNode
from mldeploy.values.problem import Problem, at_key, at_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mldeploy.values.document import Entry
    from mldeploy.values.lint import Subject

ID = "schema-pattern"

_REFUSED = (
    (re.compile(r"\(\?=|\(\?!|\(\?<=|\(\?<!"), "look-around"),
    (re.compile(r"\\[1-9]|\\k[<{']|\(\?P=|\\g[<{]"), "a back-reference"),
    (re.compile(r"\(\?>"), "an atomic group"),
    (re.compile(r"(?:[*+?]|\{[0-9]+(?:,[0-9]*)?\})\+"), "a possessive quantifier"),
    (re.compile(r"\(\?\(|\(\?\||\(\?#|\(\?[0-9R&]"), "a conditional, a comment or recursion"),
    (re.compile(r"\\[GKRXZh]|\\u[0-9a-fA-F]|\\c[A-Za-z]"), "an escape that RE2 does not know"),
)
_CLASS = re.compile(r"\[\^?\]?(?:\\.|\[:[a-z^]+:\]|[^\]\\])*\]")
_COUNT = re.compile(r"(?<!\\)\{([0-9]+)(?:,([0-9]*))?\}")
_MAX_COUNT = 1000


def check(subject: Subject) -> Iterator[Problem]:
    """Look at every `pattern` and every key of `patternProperties` in the charts' schemas."""
    for path in subject.schemas:
        text = path.read_text(encoding="utf-8", errors="replace")
        # Most schemas have nothing of the kind anywhere in their text, and need not be read with positions.
        if "\\u" not in text and not _suspicious(text):
            continue
        document = subject.workspace.document(path)
        for entry in document.walk():
            if entry.keys[-1] == "pattern" and isinstance(entry.value, str) and "properties" not in entry.keys[-2:-1]:
                reason = refused(entry.value)
                if reason:
                    yield at_value(entry, f"Helm's validator refuses this pattern: {reason}", "write it without")
            elif entry.keys[-1] == "patternProperties" and isinstance(entry.node, MappingNode):
                yield from _names(entry, [child for child in document.walk() if child.keys[:-1] == entry.keys])


def _suspicious(text: str) -> bool:
    counts = (int(count) for match in _COUNT.finditer(text) for count in match.groups() if count)
    return any(expression.search(text) for expression, _ in _REFUSED) or any(count > _MAX_COUNT for count in counts)


def refused(pattern: str) -> str:
    """Say what in a pattern RE2 does not have; empty: nothing that is known here."""
    bare = _CLASS.sub("x", pattern.replace("\\\\", "xx"))
    for expression, name in _REFUSED:
        if expression.search(bare):
            return name
    if any(int(count) > _MAX_COUNT for match in _COUNT.finditer(bare) for count in match.groups() if count):
        return f"a count above {_MAX_COUNT}"
    return ""


def _names(_entry: Entry, children: list[Entry]) -> Iterator[Problem]:
    for child in children:
        reason = refused(str(child.keys[-1]))
        if reason:
            yield at_key(child, f"Helm's validator refuses this pattern: {reason}", "write it without")
