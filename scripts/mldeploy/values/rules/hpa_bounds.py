"""An autoscaler whose fewest pods are more than its most.

The API server refuses such a HorizontalPodAutoscaler, and KEDA such a ScaledObject; the chart refuses to render either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldeploy.values.problem import Problem, at_value, dotted
from mldeploy.values.quantity import number
from mldeploy.values.replicas import SCALERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mldeploy.values.layered import Layered

ID = "hpa-bounds"


def check(layered: Layered) -> Iterator[Problem]:
    """Compare `minReplicas` with `maxReplicas`, of `autoscaling` and of `keda`."""
    for scaler in SCALERS:
        low, high = (scaler, "minReplicas"), (scaler, "maxReplicas")
        fewest, most = number(layered.values, *low), number(layered.values, *high)
        if fewest is None or most is None or fewest <= most:
            continue
        key, other = layered.higher(low, high)
        if key is None:
            continue
        related = ((other.entry.position, f"{other.entry.value} is set here"),) if other else ()
        yield at_value(
            key.entry,
            f"{dotted(low)} ({fewest:g}) is above {dotted(high)} ({most:g})",
            "lower the first, or raise the second",
            related=related,
        )
