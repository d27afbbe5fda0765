"""Values and schemas that nobody here wrote: read as Helm reads them, and the schema's verdict is Helm's verdict."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mldeploy import process
from mldeploy.values.coalesce import Defaults, coalesce
from mldeploy.values.leaves import leaves
from mldeploy.values.lint import lint
from mldeploy.values.reader import parse, read
from mldeploy.values.validation import Schema
from tests.charts.dialect import Dialect, same

PUBLISHED = Path(__file__).parents[1] / "fixtures" / "published"
CHARTS = sorted(path.parent for path in PUBLISHED.glob("*/Chart.yaml"))
FILES = sorted((*PUBLISHED.glob("*/*.yaml"), *PUBLISHED.glob("*/*.json"), *PUBLISHED.glob("*/ci/*.yaml")))
EDITS = 25


@pytest.fixture(scope="module")
def dialect() -> Iterator[Dialect]:
    program = Dialect()
    yield program
    program.close()


def test_there_are_charts_and_files() -> None:
    assert len(CHARTS) == 2
    assert len(FILES) >= 9


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_files_are_read_as_helm_reads_them(path: Path, dialect: Dialect) -> None:
    document = read(path)
    assert same(document.values, dialect.read(path.read_bytes())["values"])
    lines = path.read_text().split("\n")
    for entry in document.walk():
        if entry.key_node is not None:
            row = lines[entry.key_position.line - 1][entry.key_position.column - 1 :]
            assert row.lstrip("\"'").startswith(entry.key_node.value)


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_lint_finds_nothing_that_helm_would_refuse(chart: Path, tmp_path: Path) -> None:
    files = sorted((chart / "ci").glob("*.yaml"))
    (tmp_path / "deployments").mkdir()
    (tmp_path / "helmfile.yaml").write_text("environments: {dev: {}}\n")
    releases = [{"name": path.stem, "chart": str(chart), "values": [str(path)]} for path in files]
    (tmp_path / "deployments" / "base.yaml").write_text(json.dumps({"releases": releases}))
    rules = {problem.rule for problem in lint(tmp_path).problems}
    assert not rules & {"schema", "unknown-key", "unreadable", "schema-pattern", "duplicate-key", "plain-secret"}


def test_the_schema_says_what_helm_says(tmp_path: Path, helm: Callable[..., process.Completed]) -> None:
    """Edits of every kind to a published chart's values: accepted or refused, as `helm template` does."""
    source = PUBLISHED / "external-secrets"
    chart = tmp_path / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "templates" / "one.yaml").write_text("one: 1\n")
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: external-secrets\nversion: 0.1.0\n")
    for name in ("values.yaml", "values.schema.json"):
        (chart / name).write_bytes((source / name).read_bytes())
    schema = Schema(chart / "values.schema.json")
    defaults = read(chart / "values.yaml").values
    choice = random.Random(4)  # noqa: S311 - reproducible, no secret
    places = [keys for keys, _ in leaves(defaults)]
    verdicts = []
    for _ in range(EDITS):
        keys = choice.choice(places)
        value = choice.choice([None, True, 3, 1.5, "text", [], ["x"], {}, {"x": 1}])
        edit: Any = value
        for key in reversed(keys):
            edit = {key: edit}
        path = tmp_path / "values.yaml"
        path.write_text(json.dumps(edit))
        done = helm("template", "x", chart, "--values", path, ok=(0, 1))
        values = coalesce(Defaults("external-secrets", defaults), parse(path.read_bytes(), path).values).values
        refused = bool(schema.errors(values))
        assert refused == (done.returncode == 1), f"{keys} = {value!r}: {done.stderr}"
        verdicts.append(refused)
    assert True in verdicts
    assert False in verdicts
