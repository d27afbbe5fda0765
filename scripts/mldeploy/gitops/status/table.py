"""Statuses as people and programs read them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from mldeploy.gitops.status.model import Status

_SHORT = 10
_HEAD = ("NAME", "ENVIRONMENT", "SERVICE", "REVISION", "SYNC", "HEALTH", "MESSAGE")


def as_text(statuses: Sequence[Status]) -> str:
    """Write a table with aligned columns; commits are shortened."""
    rows = [_HEAD] + [
        (
            f"{one.kind.lower()}/{one.name}",
            one.environment or "-",
            one.service or "-",
            one.revision[:_SHORT] or "-",
            one.sync,
            one.health,
            one.message,
        )
        for one in statuses
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines)


def as_json(statuses: Sequence[Status]) -> str:
    """Write a list of objects."""
    return json.dumps([{**asdict(one), "good": one.good} for one in statuses], indent=2)
