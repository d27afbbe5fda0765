"""Reads a chart's annotated values.yaml: for each key its default, its description and what it may be.

Above a key, comment lines at the key's own depth:

    # -- What the key is for. May go on
    # in the next lines.
    # @schema {minimum: 1, maximum: 10}
    # @message shown when the value is wrong
    key: 3

`@schema` holds JSON Schema keywords (YAML flow style, added to the type that the default has) or a `$ref` to a shape of
`definitions.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mldeploy.errors import MldeployError


@dataclass(frozen=True)
class Key:
    """One key of a chart's values.

    Attributes:
        name, line: the key and its line in the file, from 1.
        default: what the chart sets.
        description: the sentence of `# --`; empty for a key that only groups others.
        keywords: JSON Schema keywords of `# @schema`.
        message: what `# @message` says.
        children: the keys below it, where the chart names them one by one.
    """

    name: str
    line: int
    default: Any
    description: str = ""
    keywords: dict[str, Any] = field(default_factory=dict)
    message: str = ""
    children: tuple[Key, ...] = ()


def read(path: Path) -> tuple[Key, ...]:
    """Read the annotated keys of a values file, in the file's order.

    Raises:
        MldeployError: the file cannot be read, is no YAML mapping, or has an annotation that cannot be understood or a
            key that nobody describes.
    """
    try:
        text = path.read_text("utf-8")
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except OSError as error:
        raise MldeployError(f"{path}: {error.strerror}", remedy="restore it from git") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark else 1
        raise MldeployError(f"{path}:{line}: {error.problem}", remedy="correct the YAML") from error
    if not isinstance(node, yaml.MappingNode):
        raise MldeployError(f"{path}: holds no mapping", remedy="write the chart's defaults there")
    return _Reader(path, text).keys(node)


class _Reader:
    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._lines = text.splitlines()
        self._constructor = yaml.CSafeLoader("")

    def keys(self, node: yaml.MappingNode) -> tuple[Key, ...]:
        return tuple(self._key(name, value) for name, value in node.value)

    def _key(self, name: yaml.ScalarNode, value: yaml.Node) -> Key:
        line, depth = name.start_mark.line, name.start_mark.column
        description, keywords, message = self._annotations(line, depth)
        # A described mapping is one value (resources, annotations); one without a description groups keys.
        groups = isinstance(value, yaml.MappingNode) and not description and bool(value.value)
        if not groups and not description:
            raise self._error(line, f"'{name.value}' has no description", "add a line `# -- What it is for.` above it")
        children = self.keys(value) if groups and isinstance(value, yaml.MappingNode) else ()
        default = self._constructor.construct_document(value)
        return Key(str(name.value), line + 1, default, description, keywords, message, children)

    def _annotations(self, line: int, depth: int) -> tuple[str, dict[str, Any], str]:
        first = line
        while first > 0 and self._lines[first - 1].startswith(" " * depth + "#"):
            first -= 1
        description: list[str] = []
        keywords: dict[str, Any] = {}
        message: list[str] = []
        into: list[str] | None = None
        for number in range(first, line):
            words = self._lines[number][depth + 1 :].strip()
            if words.startswith("-- "):
                into = description
                into.append(words[3:])
            elif words.startswith("@schema "):
                keywords.update(self._keywords(number, words[8:]))
                into = None
            elif words.startswith("@message "):
                into = message
                into.append(words[9:])
            elif words.startswith("@"):
                raise self._error(number, f"unknown annotation '{words.split()[0]}'", "use --, @schema or @message")
            elif into is not None:
                into.append(words)
        return " ".join(description), keywords, " ".join(message)

    def _keywords(self, number: int, text: str) -> dict[str, Any]:
        try:
            keywords = yaml.load(text, Loader=yaml.CSafeLoader)
        except yaml.YAMLError as error:
            raise self._error(number, "@schema is no YAML", "write {keyword: value, ...}") from error
        if not isinstance(keywords, dict):
            raise self._error(number, "@schema is no mapping", "write {keyword: value, ...}")
        return keywords

    def _error(self, line: int, what: str, remedy: str) -> MldeployError:
        return MldeployError(f"{self._path}:{line + 1}: {what}", remedy=remedy)
