"""An environment that is smaller than the one before it.

Environments are ordered as helmfile.yaml lists them. What ran in staging must fit into prod: replicas, the
autoscaler's bounds and memory limits do not shrink from one to the next, and logs do not get more detailed.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from mldeploy.values.problem import Problem, at_value, dotted, shown
from mldeploy.values.quantity import lookup, quantity
from mldeploy.values.replicas import FIXED, SCALERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mldeploy.values.layered import Layered
    from mldeploy.values.lint import Subject

ID = "environment-order"

_GROWING = (
    *((scaler, bound) for scaler in SCALERS for bound in ("minReplicas", "maxReplicas")),
    FIXED,
    ("resources", "limits", "memory"),
    ("resources", "requests", "memory"),
)
_LEVELS = {"trace": 0, "debug": 1, "info": 2, "warn": 3, "warning": 3, "error": 4, "critical": 5}
_LEVEL_KEY = ("config", "logLevel")


def check(subject: Subject) -> Iterator[Problem]:
    """Compare each service's sizes in neighbouring environments."""
    by_service: dict[str, list[Layered]] = {}
    for layered in subject.releases:
        by_service.setdefault(layered.release.service, []).append(layered)
    for releases in by_service.values():
        for lower, upper in pairwise(releases):
            for keys in _GROWING:
                small, large = (quantity(lookup(layered.values, *keys)) for layered in (lower, upper))
                if small is not None and large is not None and large < small:
                    yield from _report(lower, upper, keys, "less than", "raise it, or lower the other")
            levels = [_LEVELS.get(str(lookup(layered.values, *_LEVEL_KEY)).lower()) for layered in (lower, upper)]
            if levels[0] is not None and levels[1] is not None and levels[1] < levels[0]:
                yield from _report(lower, upper, _LEVEL_KEY, "more detailed than", "make it at least as quiet")


def _report(lower: Layered, upper: Layered, keys: tuple[str, ...], what: str, remedy: str) -> Iterator[Problem]:
    origin, other = upper.origin(keys), lower.origin(keys)
    if origin is None or other is None:
        return
    if origin.entry.position == other.entry.position or upper.layers.index(upper.layer(origin)) == 0:
        # The default is what prod gets; it is the earlier environment that goes beyond it.
        origin, other = other, origin
    values = (lookup(layered.values, *keys) for layered in (upper, lower))
    theirs, ours = (shown(value) for value in values)
    yield at_value(
        origin.entry,
        f"'{dotted(keys)}' is {theirs} in {upper.release.environment}, {what} in {lower.release.environment} ({ours})",
        remedy,
        related=((other.entry.position, f"{shown(other.entry.value)} is set here"),),
    )
