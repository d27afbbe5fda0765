"""A word that Helm takes for a boolean.

Helm reads YAML 1.1: `y`, `yes`, `on` are true and `n`, `no`, `off` are false, in lower case, capitalised or in
capitals, while most editors and other tools see strings. As a key such a word becomes "true" or "false". Write
`true` or `false` where a boolean is meant (`--fix` does), and quote the word where it is text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldeploy.values.nodes import ScalarNode
from mldeploy.values.problem import Problem, at_key, at_value, replace_scalar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mldeploy.values.document import Document

ID = "yaml-boolean"


def check(document: Document) -> Iterator[Problem]:
    """Find keys and values such as `no` without quotes."""
    for entry in document.odd:
        key = entry.key_node
        if key is not None and isinstance(key.tag.value, bool):
            word = _word(key.tag.value)
            yield at_key(
                entry,
                f"Helm takes the key {key.value} for a boolean; its name becomes '{word}'",
                f'write "{key.value}" with quotes',
            )
        node = entry.node
        if isinstance(node, ScalarNode) and isinstance(node.tag.value, bool) and node.tag.plain:
            word = _word(node.tag.value)
            if node.value.lower() != word:
                yield at_value(
                    entry,
                    f"Helm takes {node.value} for the boolean {word}",
                    f"write {word}, or quote it if it is text",
                    fix=replace_scalar(entry, word),
                )


def _word(value: bool) -> str:
    return "true" if value else "false"
