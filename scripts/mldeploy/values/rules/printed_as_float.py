"""A large integer that a template prints as a float.

Helm's numbers are floats, and Go prints one of a million or more with an exponent: `{{ .Values.limit }}` gives
`1.2345678e+07`. Convert it in the template (`| int64`), or quote the value.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from mldeploy.values.nodes import ScalarNode
from mldeploy.values.odd import PRINTED_AS_FLOAT
from mldeploy.values.problem import Problem, at_value, dotted, replace_scalar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mldeploy.values.layered import Layered

ID = "printed-as-float"

_ACTION = re.compile(r"\{\{-?(.*?)-?\}\}", re.DOTALL)
# These take or give something else than the number's own print.
_CONVERTS = re.compile(
    r"\b(?:int|int64|toYaml|toJson|toPrettyJson|toRawJson|toToml|add|add1|sub|mul|div|mod|min|max|round|floor|ceil|kindIs"
    r"|eq|ne|lt|le|gt|ge|if|with|range|and|or|not|ternary|dig|hasKey|atoi|fail|include|define|template|printf|\w+\s*:?=)"
)


def check(layered: Layered) -> Iterator[Problem]:
    """Find integers of a million or more under a key that a template prints as it is."""
    for layer in layered.layers:
        for entry in layer.odd:
            node = entry.node
            if not isinstance(node, ScalarNode):
                continue
            value = node.tag.value
            if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) < PRINTED_AS_FLOAT:
                continue
            name = entry.keys[-1]
            action = _printed(layered.release.chart, name) if isinstance(name, str) else ""
            if action:
                yield at_value(
                    entry,
                    f"'{dotted(entry.keys)}' is printed as {_go(value)} by {action}",
                    "convert it in the template (| int64), or quote it",
                    fix=replace_scalar(entry, f'"{node.value}"') if node.value.isdigit() else (),
                )


def _go(value: float) -> str:
    """Write a number of a million or more as Go's `%v` does a float64: the shortest digits, and an exponent."""
    digits = Decimal(repr(float(value)))
    mantissa = "".join(map(str, digits.as_tuple().digits)).rstrip("0")
    point = f".{mantissa[1:]}" if len(mantissa) > 1 else ""
    return f"{'-' if value < 0 else ''}{mantissa[0]}{point}e+{digits.adjusted():02d}"


def _printed(chart: Path, name: str) -> str:
    for action in _actions(chart):
        if re.search(rf"\.{re.escape(name)}\b(?!\.)", action) and not _CONVERTS.search(action):
            return "{{" + " ".join(action.split())[:60] + "}}"
    return ""


@lru_cache(maxsize=64)
def _actions(chart: Path) -> tuple[str, ...]:
    """Give the actions of a chart's own templates and of its subcharts'."""
    paths = [path for folder in (chart, *chart.glob("charts/*")) for path in sorted(folder.glob("templates/**/*.*"))]
    texts = (
        path.read_text(encoding="utf-8", errors="replace") for path in paths if path.suffix in {".yaml", ".tpl", ".txt"}
    )
    return tuple(match[1] for text in texts for match in _ACTION.finditer(text))
