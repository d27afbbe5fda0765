"""A PodDisruptionBudget that no node drain can satisfy.

With as many pods required as there are at least, or none that may be missing, `kubectl drain` and every node upgrade
wait for ever. Leave at least one pod that may go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldeploy.values.problem import Problem, at_value, dotted, shown
from mldeploy.values.quantity import lookup
from mldeploy.values.replicas import FIXED, fewest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mldeploy.values.document import Value
    from mldeploy.values.layered import Layered

ID = "pdb-blocks-drain"

_BUDGET = "podDisruptionBudget"


def check(layered: Layered) -> Iterator[Problem]:
    """Compare the budget with the fewest pods that the release runs."""
    budget = lookup(layered.values, _BUDGET)
    if not isinstance(budget, dict) or budget.get("enabled") is False:
        return
    replicas, source = _fewest_running(layered)
    least, most_gone = budget.get("minAvailable"), budget.get("maxUnavailable")
    if _percent(most_gone) == 0 or (_is_number(most_gone) and most_gone == 0):
        yield from _report(
            layered, "maxUnavailable", "lets no pod go, so no node can be drained", "set it to 1 or more"
        )
    if least is None:
        return
    percent = _percent(least)
    needed = -(-replicas * percent // 100) if percent is not None and replicas is not None else least
    if percent == 100 or (isinstance(needed, int | float) and replicas is not None and needed >= replicas > 0):
        yield from _report(
            layered,
            "minAvailable",
            f"is {shown(least)} of at least {replicas:g} pods ({source}), so no node can be drained"
            if replicas is not None
            else f"is {shown(least)}, so no node can be drained",
            "lower it, or run more pods",
        )


def _fewest_running(layered: Layered) -> tuple[float | None, str]:
    """Give the fewest pods that a release runs while it runs any, and the key that says so."""
    count, keys = fewest(layered)
    if not isinstance(count, int | float) or isinstance(count, bool):
        return None, dotted(keys)
    # Scaled to none there is nothing to drain: it is the last pod that a budget may hold back.
    return (count if keys == FIXED else max(1, count)), dotted(keys)


def _report(layered: Layered, key: str, what: str, remedy: str) -> Iterator[Problem]:
    origin = layered.origin((_BUDGET, key))
    if origin is not None:
        yield at_value(origin.entry, f"{_BUDGET}.{key} {what}", remedy)


def _percent(value: Value) -> int | None:
    return int(value[:-1]) if isinstance(value, str) and value[:-1].isdigit() and value.endswith("%") else None


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
