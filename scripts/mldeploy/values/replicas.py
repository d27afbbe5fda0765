"""How many pods a release runs at least, and which key says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldeploy.values.quantity import lookup

if TYPE_CHECKING:
    from mldeploy.values.document import Value
    from mldeploy.values.layered import Layered

# What may scale a release, in the order in which it is asked; where none is enabled, the Deployment says.
SCALERS = ("keda", "autoscaling")
FIXED = ("replicaCount",)
KEYS: tuple[tuple[str, ...], ...] = (*((scaler, "minReplicas") for scaler in SCALERS), FIXED)


def fewest(layered: Layered) -> tuple[Value, tuple[str, ...]]:
    """Give the fewest pods that a release runs, and the key that they come from."""
    for scaler in SCALERS:
        if lookup(layered.values, scaler, "enabled") is True:
            return lookup(layered.values, scaler, "minReplicas"), (scaler, "minReplicas")
    return lookup(layered.values, *FIXED), FIXED
