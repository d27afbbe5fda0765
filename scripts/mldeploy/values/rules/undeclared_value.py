"""A value that a template uses and the chart does not declare.

Whoever reads values.yaml cannot know of it, the schema refuses it, and a misspelt name in a template is always empty.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mldeploy.values.document import Position
from mldeploy.values.problem import Problem, did_you_mean, dotted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mldeploy.values.document import Value
    from mldeploy.values.layered import Layered
    from mldeploy.values.lint import Subject

ID = "undeclared-value"

_USE = re.compile(r"\.Values((?:\.[A-Za-z_][A-Za-z0-9_]*)+)")
_COMMENT = re.compile(r"\{\{-?/\*.*?\*/-?\}\}", re.DOTALL)


def check(subject: Subject) -> Iterator[Problem]:
    """Compare `.Values.…` in each chart's own templates with its values.yaml."""
    charts = {layered.release.chart: layered for layered in subject.releases}
    for chart, layered in charts.items():
        for path in sorted((chart / "templates").rglob("*")):
            if path.suffix in {".yaml", ".tpl", ".txt"} and path.is_file():
                yield from _template(path, layered)


def _template(path: Path, layered: Layered) -> Iterator[Problem]:
    text = path.read_text(encoding="utf-8", errors="replace")
    bare = _COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    for match in _USE.finditer(bare):
        keys = tuple(match[1].split(".")[1:])
        missing, known = _missing(layered.layers[0].values, keys)
        if missing:
            line = text.count("\n", 0, match.start()) + 1
            column = match.start() - text.rfind("\n", 0, match.start())
            near = did_you_mean(missing[-1], known)
            remedy = (
                f"did you mean '{dotted((*missing[:-1], near))}'?" if near else "declare it in the chart's values.yaml"
            )
            message = f"'{dotted(missing)}' is used here, and the chart's values.yaml does not have it"
            yield Problem(Position(path, line, column), message, remedy, column + len(match[0]))


def _missing(values: dict[str, Value], keys: tuple[str, ...]) -> tuple[tuple[str, ...], list[str]]:
    """Give the first part of the keys that is not declared, and what is there; nothing below `{}` is known."""
    found: Value = values
    for length, key in enumerate(keys, 1):
        if not isinstance(found, dict) or (not found and length > 1):
            return (), []
        if key not in found:
            return keys[:length], list(found)
        found = found[key]
    return (), []
