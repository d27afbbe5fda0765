"""An autoscaler whose fewest pods are more than its most.

The API server refuses the HorizontalPodAutoscaler; the chart refuses to render it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldeploy.values.problem import Problem, at_value
from mldeploy.values.quantity import number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mldeploy.values.layered import Layered

ID = "hpa-bounds"


def check(layered: Layered) -> Iterator[Problem]:
    """Compare `autoscaling.minReplicas` with `autoscaling.maxReplicas`."""
    fewest = number(layered.values, "autoscaling", "minReplicas")
    most = number(layered.values, "autoscaling", "maxReplicas")
    if fewest is None or most is None or fewest <= most:
        return
    key, other = layered.higher(("autoscaling", "minReplicas"), ("autoscaling", "maxReplicas"))
    if key is None:
        return
    related = ((other.entry.position, f"{other.entry.value} is set here"),) if other else ()
    yield at_value(
        key.entry,
        f"autoscaling.minReplicas ({fewest:g}) is above autoscaling.maxReplicas ({most:g})",
        "lower the first, or raise the second",
        related=related,
    )
