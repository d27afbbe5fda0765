"""Kubernetes quantities ("500m", "2Gi") as numbers, after k8s.io/apimachinery/pkg/api/resource."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

_QUANTITY = re.compile(r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+))(?P<suffix>[eE][+-]?\d+|[numkMGTPE]|[KMGTPE]i)?")
_SUFFIXES = {
    **{suffix: Decimal(10) ** power for suffix, power in zip("num", (-9, -6, -3), strict=True)},
    **{suffix: Decimal(1000) ** (power + 1) for power, suffix in enumerate("kMGTPE")},
    **{f"{suffix}i": Decimal(1024) ** (power + 1) for power, suffix in enumerate("KMGTPE")},
}


def parse(value: Any) -> Decimal | None:
    """Read a quantity, or a plain number; None when it is neither."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    match = _QUANTITY.fullmatch(str(value).strip())
    if match is None:
        return None
    suffix = match["suffix"] or ""
    factor = Decimal(f"1{suffix}") if suffix[:1] in {"e", "E"} and len(suffix) > 1 and suffix != "Ei" else None
    return Decimal(match["number"]) * (factor if factor is not None else _SUFFIXES.get(suffix, Decimal(1)))


def same_quantity(before: Any, after: Any) -> bool:
    """Say whether two values are the same amount."""
    one, other = parse(before), parse(after)
    return one is not None and one == other


def cores(amount: float) -> str:
    """Write an amount of CPU: "250m", "1.5"."""
    return f"{amount * 1000:.0f}m" if amount < 1 else f"{amount:.3f}".rstrip("0").rstrip(".")


def size(amount: float) -> str:
    """Write an amount of bytes in the largest binary unit that leaves at least 1: "512Mi", "1.5Gi"."""
    for power, unit in ((4, "Ti"), (3, "Gi"), (2, "Mi"), (1, "Ki")):
        if amount >= 1024**power:
            return f"{amount / 1024**power:.2f}".rstrip("0").rstrip(".") + unit
    return f"{amount:.0f}"
