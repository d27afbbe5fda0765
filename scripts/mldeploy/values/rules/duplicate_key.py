"""A key that is set twice in one mapping.

Helm keeps the later one and says nothing, so an edit of the earlier one has no effect. Keep one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldeploy.values.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mldeploy.values.document import Document

ID = "duplicate-key"


def check(document: Document) -> Iterator[Problem]:
    """Find keys that occur twice in one mapping of one YAML document."""
    for part in document.parts:
        for name, earlier, later in part.notes.duplicates:
            position = document.place(part, later)
            yield Problem(
                position,
                f"'{name}' is set twice here; Helm keeps this one and drops line {document.place(part, earlier).line}",
                "keep one of them",
                position.column + len(later.value),
                related=((document.place(part, earlier), "this one has no effect"),),
            )
