"""A key that stands before a `<<` which replaces it.

YAML says that a mapping's own keys win over merged ones; the parser in Helm (go-yaml v2) applies them in the order of
the file, so a key above `<<` is replaced by the merged one. Put `<<` first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldeploy.values.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mldeploy.values.document import Document

ID = "merge-order"


def check(document: Document) -> Iterator[Problem]:
    """Find keys that a later merge key replaces."""
    for part in document.parts:
        for name, key, merge in part.notes.overridden:
            position = document.place(part, key)
            line = document.place(part, merge).line
            yield Problem(
                position,
                f"'{name}' is replaced by the merge in line {line}",
                f"move '<<' from line {line} to the top of the mapping",
                position.column + len(key.value),
                related=((document.place(part, merge), "Helm applies this merge after the key"),),
            )
