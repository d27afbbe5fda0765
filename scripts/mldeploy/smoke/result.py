"""What a check found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mldeploy.errors import MldeployError


class FailedError(MldeployError):
    """A check failed: what was asked, what came, and what should have come."""


@dataclass(frozen=True)
class CheckResult:
    """One check's outcome.

    Attributes:
        environment, service, name: which check.
        outcome: "skipped" is a check that could not be asked, because the service is not there.
        seconds: how long it took.
        message: why it failed, or was skipped; empty when it passed.
        measures: figures in milliseconds, by name ("p50").
        details: lines about the service's pods, events and logs; on the first failure of a service.
    """

    environment: str
    service: str
    name: str
    outcome: Literal["passed", "failed", "skipped"]
    seconds: float
    message: str = ""
    measures: Mapping[str, float] = field(default_factory=dict)
    details: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether it was asked, and answered as declared."""
        return self.outcome == "passed"


def difference(expected: Any, found: Any, where: str = "") -> str:
    """Say how JSON differs from what it must contain; empty if it does not.

    Maps may hold more keys than expected; everything else must be equal, 1 and 1.0 being the same number.
    """
    at = where or "the answer"
    if isinstance(expected, dict) and isinstance(found, dict):
        for key, value in expected.items():
            place = f"{where}.{key}" if where else str(key)
            if key not in found:
                return f"{place} is missing"
            if inner := difference(value, found[key], place):
                return inner
        return ""
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        pairs = enumerate(zip(expected, found, strict=True))
        return next((inner for i, (e, f) in pairs if (inner := difference(e, f, f"{where}[{i}]"))), "")
    same = expected == found and isinstance(expected, bool) == isinstance(found, bool)
    return "" if same else f"{at} is {found!r}, not {expected!r}"
