"""A NetworkPolicy that lets nobody in.

With `networkPolicy.ingressFrom` empty, no pod may send requests, read metrics or run the chart's test; a peer that
selects no pods at all does the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldeploy.values.problem import Problem, at_value
from mldeploy.values.quantity import lookup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mldeploy.values.layered import Layered

ID = "network-isolation"

_KEYS = ("networkPolicy", "ingressFrom")


def check(layered: Layered) -> Iterator[Problem]:
    """Look for an enabled policy without a peer, or with an empty one."""
    if lookup(layered.values, "networkPolicy", "enabled") is not True:
        return
    peers = lookup(layered.values, *_KEYS)
    origin = layered.origin(_KEYS)
    if peers == [] and origin is not None:
        yield at_value(
            origin.entry,
            "no pod may reach the service: networkPolicy.ingressFrom is empty",
            "name at least one peer, such as '- podSelector: {}' for the namespace's own pods",
        )
    for index, peer in enumerate(peers if isinstance(peers, list) else []):
        origin = layered.origin((*_KEYS, index))
        if peer == {} and origin is not None:
            yield at_value(
                origin.entry, "an empty peer is refused by the API server", "write a podSelector or namespaceSelector"
            )
