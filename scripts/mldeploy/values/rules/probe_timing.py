"""A probe whose times contradict each other.

A probe that may take longer than its period piles up. A start-up probe that allows more time than Helm waits makes
the upgrade fail while the model is still allowed to load; a liveness probe that gives up before a load is over, with
no start-up probe to hold it back, restarts the container for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldeploy.values.problem import Problem, at_key, at_value
from mldeploy.values.quantity import lookup, number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mldeploy.values.document import Keys, Value
    from mldeploy.values.layered import Layered

ID = "probe-timing"

_FAILURES = 3  # Kubernetes' defaults
_PERIOD = 10
_TIMEOUT = 1
_SHORTEST_START_S = 30


def check(layered: Layered) -> Iterator[Problem]:
    """Look at every mapping under `probes`."""
    probes = lookup(layered.values, "probes")
    if not isinstance(probes, dict):
        return
    for name, probe in probes.items():
        if isinstance(probe, dict):
            yield from _overlap(layered, probe, ("probes", name))
    startup, liveness = probes.get("startup"), probes.get("liveness")
    wait = layered.release.timeout_seconds
    budget = budget_seconds(startup)
    origin = layered.origin(("probes", "startup", "failureThreshold")) or layered.origin(("probes", "startup"))
    if isinstance(startup, dict) and budget > wait and origin is not None:
        yield at_value(
            origin.entry,
            f"the start-up probe allows {budget:g} s, and Helm waits {wait:g} s",
            "lower it, or raise the release's timeout in deployments/base.yaml",
        )
    origin = layered.origin(("probes", "liveness"))
    if not startup and isinstance(liveness, dict) and origin and budget_seconds(liveness) < _SHORTEST_START_S:
        yield at_key(
            origin.entry,
            f"the liveness probe restarts a container that needs {budget_seconds(liveness):g} s to start",
            "add probes.startup",
        )


def budget_seconds(probe: Value) -> float:
    """Give the time that a probe allows before it has failed for good, in seconds."""
    period = number(probe, "periodSeconds")
    failures = number(probe, "failureThreshold")
    delay = number(probe, "initialDelaySeconds") or 0
    return delay + (_PERIOD if period is None else period) * (_FAILURES if failures is None else failures)


def _overlap(layered: Layered, probe: dict[str, Value], keys: Keys) -> Iterator[Problem]:
    period = number(probe, "periodSeconds")
    timeout = number(probe, "timeoutSeconds")
    period = _PERIOD if period is None else period
    timeout = _TIMEOUT if timeout is None else timeout
    origin = layered.origin((*keys, "timeoutSeconds")) or layered.origin((*keys, "periodSeconds"))
    if timeout > period and origin is not None:
        yield at_value(
            origin.entry,
            f"the {keys[-1]} probe may take {timeout:g} s, and starts every {period:g} s",
            "make timeoutSeconds at most periodSeconds",
        )
