"""A key with nothing after it, which removes the chart's default.

An empty value is null, and null in a values file deletes what the chart has there, whole mappings included. Write
`null` where that is meant, `{}` or `""` for something empty, or remove the line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldeploy.values.nodes import ScalarNode
from mldeploy.values.problem import Problem, at_key, dotted, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mldeploy.values.layered import Layered

ID = "empty-value"


def check(layered: Layered) -> Iterator[Problem]:
    """Find empty values above a default that is not null."""
    for layer in layered.layers[1:]:
        for entry in layer.odd:
            node = entry.node
            if not isinstance(node, ScalarNode) or node.value or node.style or node.tag.value is not None:
                continue
            below = layered.layers[0].find(entry.keys)
            if below is not None and below.value is not None:
                yield at_key(
                    entry,
                    f"'{dotted(entry.keys)}' is empty, which removes the chart's default ({shown(below.value)})",
                    "write null if that is meant, or remove the line",
                    related=((below.position, "the default"),),
                )
