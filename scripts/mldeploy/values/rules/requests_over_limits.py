"""A resource request above its limit.

The API server refuses such a pod, after Helm has reported success for what it created before. A value that is no
Kubernetes quantity is reported as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldeploy.values.problem import Problem, at_value, dotted, shown
from mldeploy.values.quantity import quantity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mldeploy.values.document import Keys, Value
    from mldeploy.values.layered import Layered

ID = "requests-over-limits"


def check(layered: Layered) -> Iterator[Problem]:
    """Compare every `requests` with the `limits` beside it, wherever they are."""
    for keys, mapping in layered.mappings:
        requests, limits = mapping.get("requests"), mapping.get("limits")
        if isinstance(requests, dict) and isinstance(limits, dict):
            yield from _compare(layered, requests, limits, keys)


def _compare(layered: Layered, requests: dict[str, Value], limits: dict[str, Value], keys: Keys) -> Iterator[Problem]:
    for name, request in requests.items():
        limit = limits.get(name)
        asked, allowed = quantity(request), quantity(limit)
        if limit is None or asked is None or allowed is None or asked <= allowed:
            continue
        origin, other = layered.higher((*keys, "limits", name), (*keys, "requests", name))
        if origin is None or other is None:
            continue
        yield at_value(
            origin.entry,
            f"'{dotted((*keys, 'requests', name))}' ({shown(request)}) is above its limit ({shown(limit)})",
            "raise the limit, or lower the request",
            related=((other.entry.position, f"{shown(other.entry.value)} is set here"),),
        )
