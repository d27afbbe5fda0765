"""A number that Helm reads otherwise than it looks.

Helm reads `010` as the octal 8, `0o755` as 493, `0x1F` as 31, `1_000` as 1000, and `08` as 8. Digits that are a name
(an account, a version, a file mode) lose their zeros. Quote what is text, and write numbers in decimal.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mldeploy.values.nodes import ScalarNode
from mldeploy.values.problem import Problem, at_value, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mldeploy.values.document import Document

ID = "yaml-number"

_SURPRISING = re.compile(r"[-+]?0[0-9_]|[-+]?0[oObBxX]|[-+]?[0-9]+_|[-+]?\.?[0-9]+_")


def check(document: Document) -> Iterator[Problem]:
    """Find unquoted numbers with a leading zero, a base or underscores."""
    for entry in document.odd:
        node = entry.node
        if not isinstance(node, ScalarNode) or not node.tag.plain:
            continue
        value = node.tag.value
        if isinstance(value, int | float) and not isinstance(value, bool) and _SURPRISING.match(node.value):
            yield at_value(
                entry,
                f"Helm takes {node.value} for the number {shown(value)}",
                f'write {shown(value)}, or "{node.value}" if it is text',
            )
