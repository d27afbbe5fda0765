"""Every lint rule has fixtures that pass and fixtures that fail, and a failing one names rule and line.

A fixture is prod's values file of ml-api, or a folder laid over `tests/fixtures/lint/checkout`. What must be found is
said in the file: `# expect: RULE` at the end of the line, `# expect-next: RULE` alone on the line above, or, where
there are no comments, `path:line RULE` in the folder's expect.txt. Nothing else may be found.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from mldeploy.values.lint import lint
from mldeploy.values.rules import DOCUMENTATION

FIXTURES = Path(__file__).parents[1] / "fixtures" / "lint"
ONE_FILE = Path("values") / "prod" / "ml-api.yaml"
RENDERED = {"dead-value"}  # needs helm: tests/deployments/test_lint_dead.py
RULES = sorted(set(DOCUMENTATION) - RENDERED)
_EXPECT = re.compile(r"# expect(?P<next>-next)?: (?P<rules>[a-z0-9-]+(?:, [a-z0-9-]+)*)$")


def _fixtures(kind: str) -> list[Path]:
    return sorted(path for rule in RULES for path in (FIXTURES / rule / kind).glob("*"))


def _lay(fixture: Path, root: Path) -> set[tuple[str, int, str]]:
    shutil.copytree(FIXTURES / "checkout", root)
    if fixture.is_dir():
        shutil.copytree(fixture, root, dirs_exist_ok=True)
        files = [path.relative_to(fixture) for path in fixture.rglob("*.yaml")]
    else:
        shutil.copy(fixture, root / ONE_FILE)
        files = [ONE_FILE]
    expected = set()
    for file in files:
        for number, line in enumerate((root / file).read_text().split("\n"), 1):
            match = _EXPECT.search(line)
            if match:
                at = number + 1 if match["next"] else number
                expected |= {(file.as_posix(), at, rule) for rule in match["rules"].split(", ")}
    listed = fixture / "expect.txt"
    for line in listed.read_text().splitlines() if listed.is_file() else []:
        place, rule = line.split()
        path, number_text = place.rsplit(":", 1)
        expected.add((path, int(number_text), rule))
    return expected


def _found(root: Path) -> set[tuple[str, int, str]]:
    problems = lint(root).problems
    for problem in problems:
        assert problem.message, problem
        assert problem.remedy, f"{problem} says nothing about what to do"
        assert not problem.message.endswith("."), problem
    return {(p.position.path.relative_to(root).as_posix(), p.position.line, p.rule) for p in problems}


def _name(path: Path) -> str:
    return f"{path.parents[1].name}-{path.stem}"


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_fixtures_of_both_kinds(rule: str) -> None:
    for kind in ("pass", "fail"):
        assert list((FIXTURES / rule / kind).glob("*")), f"{rule} has no {kind} fixture"


def test_every_folder_of_fixtures_is_a_rule() -> None:
    assert {path.name for path in FIXTURES.iterdir()} - {"checkout"} == set(RULES)


def test_the_checkout_itself_has_no_findings(tmp_path: Path) -> None:
    shutil.copytree(FIXTURES / "checkout", tmp_path / "checkout")
    assert _found(tmp_path / "checkout") == set()


@pytest.mark.parametrize("fixture", _fixtures("fail"), ids=_name)
def test_a_failing_fixture_is_found_at_its_line(fixture: Path, tmp_path: Path) -> None:
    root = tmp_path / "checkout"
    expected = _lay(fixture, root)
    assert fixture.parents[1].name in {rule for _, _, rule in expected}
    assert _found(root) == expected


@pytest.mark.parametrize("fixture", _fixtures("pass"), ids=_name)
def test_a_passing_fixture_has_no_findings(fixture: Path, tmp_path: Path) -> None:
    root = tmp_path / "checkout"
    assert _lay(fixture, root) == set()
    assert _found(root) == set()
