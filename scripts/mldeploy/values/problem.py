"""What a rule finds, and the words that rules share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from mldeploy.values.document import Entry, Keys, Position

_LONGEST = 40


@dataclass(frozen=True, slots=True)
class Edit:
    """A replacement of text in a file: from one place up to, not including, another; both on existing lines."""

    path: Path
    line: int
    column: int
    end_line: int
    end_column: int
    text: str


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that a rule found.

    Attributes:
        position: where the offending text begins.
        message: what is wrong, without a full stop.
        remedy: what to do, in the imperative.
        end_column: one past the offending text on its line; 0: unknown.
        related: places that explain it, and how.
        fix: edits that remove the problem without changing anything else; empty where that needs judgement.
        rule: the rule's ID; the engine fills it in.
        severity: "warning" for what works today.
    """

    position: Position
    message: str
    remedy: str
    end_column: int = 0
    related: tuple[tuple[Position, str], ...] = ()
    fix: tuple[Edit, ...] = ()
    severity: Literal["error", "warning"] = "error"
    rule: str = ""

    def of(self, rule: str) -> Problem:
        """Give the same problem with its rule's ID."""
        return replace(self, rule=rule)


def at_value(entry: Entry, message: str, remedy: str, **more: object) -> Problem:
    """Make a problem at an entry's value."""
    return Problem(entry.position, message, remedy, _end(entry.position, entry.node), **more)  # type: ignore[arg-type]


def at_key(entry: Entry, message: str, remedy: str, **more: object) -> Problem:
    """Make a problem at an entry's key (an item of a list: at the item)."""
    node = entry.key_node or entry.node
    return Problem(entry.key_position, message, remedy, _end(entry.key_position, node), **more)  # type: ignore[arg-type]


def replace_scalar(entry: Entry, text: str, *, key: bool = False) -> tuple[Edit, ...]:
    """Make the edit that writes `text` in place of an entry's one-line scalar (or its key)."""
    node = entry.key_node if key and entry.key_node is not None else entry.node
    position = entry.key_position if key else entry.position
    end = _end(position, node)
    if not end:
        return ()
    return (Edit(position.path, position.line, position.column, position.line, end, text),)


def dotted(keys: Keys) -> str:
    """Write keys as people do: `probes.startup.periodSeconds`, `egress[0].to`, `nodeSelector."kubernetes.io/arch"`."""
    out = ""
    for key in keys:
        if isinstance(key, int):
            out += f"[{key}]"
        else:
            plain = key and key.replace("-", "").replace("_", "").replace("/", "").isalnum()
            out += ("." if out else "") + (key if plain else f'"{key}"')
    return out


def shown(value: object, *, secret: bool = False) -> str:
    """Write a value for a message: short, in one line, and not at all where it may be a secret."""
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if isinstance(value, str):
        if secret:
            return "a string"
        return f"'{value if len(value) <= _LONGEST else value[: _LONGEST - 1] + '…'}'"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Name the known word that a misspelt one is nearest to; empty if none is near."""
    names = list(known)
    folded = {other.lower().replace("_", "").replace("-", ""): other for other in names}
    same = folded.get(name.lower().replace("_", "").replace("-", ""))
    if same is not None:
        return same
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    return near[0] if near else ""


def _end(position: Position, node: object) -> int:
    start, end = node.start_mark, node.end_mark  # type: ignore[attr-defined]
    return position.column + end.column - start.column if start.line == end.line else 0
