"""The invariants between environments: this repository keeps them, and each has an edit that breaks it at its line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mldeploy.values.expression import ExpressionError, Scope, evaluate, parse
from mldeploy.values.lint import Result, lint
from mldeploy.values.reader import read
from mldeploy.values.rules.invariant import matching

ROOT = Path(__file__).parents[2]
FIXTURES = Path(__file__).parents[1] / "fixtures" / "invariants"
DECLARED = [str(item["id"]) for item in read(ROOT / "values" / "invariants.yaml").values["invariants"]]  # type: ignore[index, union-attr, call-overload]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    root.mkdir()
    for name in ("charts", "deployments", "values"):
        shutil.copytree(ROOT / name, root / name)
    shutil.copy(ROOT / "helmfile.yaml", root)
    return root


def _invariants(result: Result) -> list[tuple[str, int, str]]:
    found = [problem for problem in result.problems if problem.rule == "invariant"]
    return [(p.position.path.name, p.position.line, p.message.split(":", 1)[0]) for p in found]


def _declare(checkout: Path, text: str) -> None:
    (checkout / "values" / "invariants.yaml").write_text(f"invariants:\n  - {{id: x, why: because, {text}}}\n")


def test_this_repository_keeps_its_invariants(checkout: Path) -> None:
    assert _invariants(lint(checkout)) == []


def test_every_invariant_has_an_edit_that_breaks_it() -> None:
    assert sorted(DECLARED) == sorted(path.name for path in FIXTURES.iterdir())


@pytest.mark.parametrize("name", DECLARED)
def test_the_edit_is_reported_at_its_line(name: str, checkout: Path) -> None:
    shutil.copytree(FIXTURES / name, checkout, dirs_exist_ok=True)
    expected = [
        (path.name, number, name)
        for path in (FIXTURES / name).rglob("*.yaml")
        for number, line in enumerate(path.read_text().split("\n"), 1)
        if line.endswith("# expect")
    ]
    assert expected
    assert _invariants(lint(checkout)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "require: 'image.tag =='",
        "require: '__import__(\"os\")'",
        "require: '[x for x in y]'",
        "require: 'lambda: 1'",
        "require: 'f(1)'",
        "require: 'a.b(1)'",
        "parity: true, require: '1 > 0'",
        "environments: [prood], require: '1 > 0'",
        "services: [mlapi], require: '1 > 0'",
        "requires: '1 > 0'",
        "each: '**'",
    ],
)
def test_an_invariant_that_cannot_be_used_is_reported_where_it_is_declared(text: str, checkout: Path) -> None:
    _declare(checkout, text)
    found = [problem for problem in lint(checkout).problems if problem.rule == "invariant"]
    assert [(p.position.path.name, p.position.line) for p in found] == [("invariants.yaml", 2)]
    assert "cannot be used" in found[0].message


def test_a_key_that_is_not_set_breaks_a_comparison_and_is_named(checkout: Path) -> None:
    _declare(checkout, "services: [ml-api], environments: [prod], require: 'model.loadSeconds <= 30'")
    found = [problem for problem in lint(checkout).problems if problem.rule == "invariant"]
    assert len(found) == 1
    assert "model.loadSeconds is not set" in found[0].message


def test_when_limits_an_invariant(checkout: Path) -> None:
    _declare(checkout, "when: 'environment == \"dev\"', require: 'replicas > 100', services: [ml-api]")
    found = [problem for problem in lint(checkout).problems if problem.rule == "invariant"]
    assert [p.position.path.parent.name for p in found] == ["dev"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a.b + 1 == 3", True),
        ("1 < a.b <= 2", True),
        ("not (a.b > 1 and a.c)", True),
        ("'x' in a.names", True),
        ("a.b in [1, 2]", True),
        ("a['d.e'] == 'f'", True),
        ("a.b * 2 - 1 / 2 >= 3.5", True),
        ("-a.b < 0 or missing", True),
        ("double(a.b) == 4", True),
        ("a.missing == None", True),
    ],
)
def test_expressions(text: str, value: object) -> None:
    values = {"a": {"b": 2, "c": False, "names": ["x"], "d.e": "f"}}

    def lookup(keys: tuple[str, ...]) -> object:
        found: object = values
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return found

    assert evaluate(parse(text), Scope(lookup, {"double": lambda x: x * 2})) is value


@pytest.mark.parametrize("text", ["a < None", "1 / 0", "a.b < 'x'", "(" * 300 + "1" + ")" * 300, "x" * 501])
def test_expressions_without_a_value(text: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(parse(text), Scope(len, {}))


def test_patterns_of_keys() -> None:
    values = {"a": {"x": {"key": 1}, "y": {"key": 2}}, "b": [{"key": 3}]}
    assert [value for _, value in matching(values, "a.*.key")] == [1, 2]  # type: ignore[arg-type]
    assert [value for _, value in matching(values, "b.*.key")] == [3]  # type: ignore[arg-type]
    assert [value for _, value in matching(values, "**")] == [1, 2, 3]  # type: ignore[arg-type]


@pytest.mark.parametrize("edit", ["drain: null\n", "drain: 5\n", "drain:\n  delaySeconds: null\n"])
def test_a_key_that_one_environment_removes_is_reported_where_it_is_removed(edit: str, checkout: Path) -> None:
    _declare(checkout, "environments: [staging, prod], parity: true, services: [ml-api]")
    path = checkout / "values" / "prod" / "ml-api.yaml"
    path.write_text(edit)
    found = [problem for problem in lint(checkout).problems if problem.message.startswith("x: drain.delaySeconds is")]
    assert [(problem.position.path, problem.position.line) for problem in found] == [(path, edit.count("\n"))]
