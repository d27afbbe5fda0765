"""Dead values: this repository has none, and a key that nothing reads is found where it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from mldeploy.cli.rendering import renderer
from mldeploy.values.dead import dead_values
from mldeploy.values.layers import Workspace
from tests.deployments.scratch import Scratch


def _dead(root: Path) -> list[tuple[str, int, str]]:
    problems = dead_values(Workspace(root), renderer(root))
    return [(p.position.path.relative_to(root).as_posix(), p.position.line, p.message) for p in problems]


@pytest.fixture
def root(scratch: Scratch) -> Path:
    return scratch.root


def test_this_repository_has_no_dead_values(root: Path) -> None:
    assert _dead(root) == []


def test_dead_values_are_found_in_the_chart_and_in_files(root: Path) -> None:
    chart = root / "charts" / "ml-api" / "values.yaml"
    chart.write_text(chart.read_text() + "leftOver:\n  deep: 1\n")
    path = root / "values" / "prod" / "ml-api.yaml"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, "misspelt: {key: 1}", ""]))
    found = _dead(root)
    assert found == [
        ("charts/ml-api/values.yaml", len(chart.read_text().splitlines()), "no template reads 'leftOver.deep'"),
        ("values/prod/ml-api.yaml", len(lines) + 1, "no render of any environment reads 'misspelt.key'"),
    ]
