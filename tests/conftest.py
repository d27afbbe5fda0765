"""How the tiers share two processes: one has the real node, the other everything else."""

from __future__ import annotations

from pathlib import Path

import pytest

NEEDS_A_NODE = Path(__file__).parent / "cluster"


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of the cluster tier together: they share one node, and wait more than they work."""
    for item in items:
        if item.path.is_relative_to(NEEDS_A_NODE):
            item.add_marker(pytest.mark.xdist_group("cluster"))
