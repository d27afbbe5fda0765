"""What the operator says of an object of its kinds: the Ready condition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def ready(found: Mapping[str, Any]) -> dict[str, Any] | None:
    """Give an object's Ready condition; None where nobody has written one."""
    conditions = found.get("status", {}).get("conditions", [])
    return next((dict(one) for one in conditions if one["type"] == "Ready"), None)
