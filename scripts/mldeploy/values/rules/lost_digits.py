"""An integer with more digits than Helm keeps.

Helm holds every number as a 64-bit float, which is exact up to 2^53 (9007199254740992). An account or snowflake ID
beyond that comes out with other digits at its end. Quote it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldeploy.values.nodes import ScalarNode
from mldeploy.values.problem import Problem, at_value, replace_scalar, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mldeploy.values.document import Document

ID = "lost-digits"


def check(document: Document) -> Iterator[Problem]:
    """Find unquoted decimal integers that a float64 cannot hold."""
    for entry in document.odd:
        node = entry.node
        if not isinstance(node, ScalarNode) or not node.tag.plain:
            continue
        digits = node.value.lstrip("+-")
        # Python refuses to convert thousands of digits; that many do not fit either.
        if not (digits.isascii() and digits.isdigit()) or digits.startswith("0"):
            continue
        if len(digits) > 300 or int(node.value) != int(float(node.value)):
            yield at_value(
                entry,
                f"Helm keeps {len(digits)} digits as a float: {node.value[:30]} becomes {shown(node.tag.value)}",
                "quote it",
                fix=replace_scalar(entry, f'"{node.value}"'),
            )
