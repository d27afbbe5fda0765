"""A values file with more than one YAML document, or with text after its end.

Helm merges every document of a file over the one before, silently, and reads nothing after a line `...`. It looks for
`---` at the start of any line, in block scalars too. Keep one document in a file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldeploy.values.document import Position
from mldeploy.values.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mldeploy.values.document import Document

ID = "second-document"


def check(document: Document) -> Iterator[Problem]:
    """Find a second document with values in it, and text that Helm does not read."""
    filled = [part for part in document.parts if part.root is not None]
    for part in filled[1:]:
        yield Problem(
            Position(document.path, max(part.skipped_lines, 1), 1),
            "Helm merges a second document over the first",
            "keep one document in a values file",
        )
    if document.ignored_line:
        yield Problem(
            Position(document.path, document.ignored_line, 1),
            "Helm reads nothing after a line '...'",
            "remove the '...', or the text after it",
        )
