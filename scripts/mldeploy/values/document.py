"""A values file as Helm reads it, with the place of every key and value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from mldeploy.errors import MldeployError
from mldeploy.values.construct import Notes, effective, plain_value
from mldeploy.values.nodes import MappingNode, Node, ScalarNode, SequenceNode

Value = None | bool | int | float | str | list["Value"] | dict[str, "Value"]
Keys = tuple[str | int, ...]
IGNORE_MARK = "lint-ignore"


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a file; line and column count from 1, the column in characters."""

    path: Path
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


class ReadError(MldeployError):
    """Helm refuses the file, or it exceeds a limit of ours; says where, what, and what to do."""

    def __init__(self, position: Position, what: str, remedy: str) -> None:
        super().__init__(f"{position}: {what}", remedy=remedy)
        self.position = position
        self.what = what

    def __reduce__(self) -> tuple[type[ReadError], tuple[Position, str, str]]:
        return ReadError, (self.position, self.what, self.remedy)


@dataclass(frozen=True, slots=True)
class Entry:
    """One value in one file.

    Attributes:
        keys: where it stands in the file's values.
        node: what wrote the value.
        key_node: what wrote its key; None for an item of a list and for the whole document.
        position: where the value begins.
        key_position: where its key begins (an item of a list: the item).
    """

    keys: Keys
    node: Node
    key_node: ScalarNode | None
    position: Position
    key_position: Position

    @property
    def value(self) -> Value:
        """The value, as Helm reads it."""
        return plain_value(self.node)


@dataclass(frozen=True, slots=True)
class Part:
    """One YAML document of a file: its nodes, and how many of the file's lines precede it."""

    root: MappingNode | None
    skipped_lines: int
    notes: Notes = field(default_factory=Notes)


@dataclass(frozen=True)
class Document:
    """A values file.

    Attributes:
        path: where it is, or what to call it.
        text: its text, with its own line ends.
        values: what Helm reads from it, all its YAML documents merged. Not to be changed.
        parts: the YAML documents in it, nearly always one.
        ignored_line: the first line after a `...` that Helm does not read; 0 for none.
    """

    path: Path
    text: str
    values: dict[str, Value] = field(repr=False)
    parts: tuple[Part, ...] = field(repr=False)
    ignored_line: int = 0

    @cached_property
    def lines(self) -> list[str]:
        """The file's lines, without their ends."""
        return self.text.replace("\r\n", "\n").split("\n")

    def find(self, keys: Keys) -> Entry | None:
        """Find what sets `keys` in this file, or None; the last one where several YAML documents do."""
        for part in reversed(self.parts):
            entry = self._find(part, keys)
            if entry is not None:
                return entry
        return None

    def nearest(self, keys: Keys) -> Entry | None:
        """Find what sets `keys`, or as many of them from the left as this file sets; None if it sets none."""
        for length in range(len(keys), 0, -1):
            entry = self.find(keys[:length])
            if entry is not None:
                return entry
        return None

    def walk(self) -> Iterator[Entry]:
        """Give every entry in the file's order, collections before what they hold."""
        for part in self.parts:
            if part.root is not None:
                yield from self._walk(part, (), part.root)

    @cached_property
    def ignores(self) -> bool:
        """Whether an ignore comment may be in it."""
        return IGNORE_MARK in self.text

    @cached_property
    def odd(self) -> list[Entry]:
        """The entries whose key or value a rule about single scalars may have something to say about."""
        if not any(part.notes.odd for part in self.parts):
            return []
        return [entry for entry in self.walk() if _is_odd(entry.node) or _is_odd(entry.key_node)]

    def place(self, part: Part, node: Node) -> Position:
        """Give the place of a node of one of this document's parts."""
        return Position(self.path, part.skipped_lines + node.start_mark.line + 1, node.start_mark.column + 1)

    def _find(self, part: Part, keys: Keys) -> Entry | None:
        node: Node | None = part.root
        key_node: ScalarNode | None = None
        for key in keys:
            if isinstance(node, MappingNode) and isinstance(key, str):
                key_node, node = effective(node).get(key, (None, None))
            elif isinstance(node, SequenceNode) and isinstance(key, int) and 0 <= key < len(node.value):
                key_node, node = None, node.value[key]
            else:
                node = None
            if node is None:
                return None
        return None if node is None else self._entry(part, keys, node, key_node)

    def _walk(self, part: Part, keys: Keys, node: Node) -> Iterator[Entry]:
        children: list[tuple[str | int, ScalarNode | None, Node]] = []
        if isinstance(node, MappingNode):
            children = [(name, key_node, child) for name, (key_node, child) in effective(node).items()]
        elif isinstance(node, SequenceNode):
            children = [(index, None, child) for index, child in enumerate(node.value)]
        for key, key_node, child in children:
            entry = self._entry(part, (*keys, key), child, key_node)
            yield entry
            if not isinstance(child, ScalarNode):
                yield from self._walk(part, entry.keys, child)

    def _entry(self, part: Part, keys: Keys, node: Node, key_node: ScalarNode | None) -> Entry:
        position = self.place(part, node)
        return Entry(keys, node, key_node, position, position if key_node is None else self.place(part, key_node))


class Deferred(Document):
    """A document that another process has read: its values are here, the rest is read when somebody asks for it."""

    def __init__(self, path: Path, values: dict[str, Value], ignores: bool) -> None:
        vars(self).update(path=path, values=values, ignores=ignores)

    def __getattr__(self, name: str) -> object:
        if name not in {"text", "parts", "ignored_line"}:
            raise AttributeError(name)
        from mldeploy.values.reader import read

        whole = read(self.path)
        vars(self).update(text=whole.text, parts=whole.parts, ignored_line=whole.ignored_line)
        return getattr(whole, name)


def _is_odd(node: Node | None) -> bool:
    return isinstance(node, ScalarNode) and node.tag.odd
