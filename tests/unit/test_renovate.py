"""The update bot finds what is pinned: its patterns are tried on the real files."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import json5
import pytest

from mldeploy.process import run

ROOT = Path(__file__).parents[2]
CONFIG: dict[str, Any] = json5.loads((ROOT / "renovate.json5").read_text("utf-8"))
TRACKED = run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], timeout_s=60, cwd=ROOT).stdout.split(
    "\n"
)
FILES = [name for name in TRACKED if name and (ROOT / name).is_file()]
HINT = re.compile(r"^\s*# renovate: datasource=", re.MULTILINE)


def pattern(text: str) -> re.Pattern[str]:
    """A file pattern of renovate's: a regular expression between slashes."""
    assert text.startswith("/")
    assert text.endswith("/")
    return re.compile(text[1:-1])


def matching(manager: dict[str, Any]) -> list[str]:
    return [name for name in FILES if any(pattern(text).search(name) for text in manager["managerFilePatterns"])]


def found(manager: dict[str, Any], name: str) -> list[dict[str, str]]:
    text = (ROOT / name).read_text("utf-8")
    expressions = [re.compile(re.sub(r"\(\?<(?=\w)", "(?P<", source)) for source in manager["matchStrings"]]
    return [match.groupdict() for expression in expressions for match in expression.finditer(text)]


def test_every_tool_is_found_with_its_version() -> None:
    pins = tomllib.loads((ROOT / "scripts/toolchain/tools.toml").read_text("utf-8"))
    wanted = [pin["version"] for pin in pins.values() if "version" in pin]
    got = found(CONFIG["customManagers"][0], "scripts/toolchain/tools.toml")
    assert len(wanted) >= 10
    assert [match["currentValue"] for match in got] == wanted
    assert {match["datasource"] for match in got} == {"go"}
    for match, pin in zip(got, (pin for pin in pins.values() if "version" in pin), strict=True):
        assert pin["package"].startswith(match["depName"]), pin


def test_the_version_of_a_tool_is_the_one_in_its_go_mod() -> None:
    pins = tomllib.loads((ROOT / "scripts/toolchain/tools.toml").read_text("utf-8"))
    for match, pin in zip(
        found(CONFIG["customManagers"][0], "scripts/toolchain/tools.toml"),
        (pin for pin in pins.values() if "version" in pin),
        strict=True,
    ):
        module = (ROOT / "scripts" / "toolchain" / pin["module"] / "go.mod").read_text("utf-8")
        assert re.search(rf"{re.escape(match['depName'])} {re.escape(match['currentValue'])}(\s|$)", module), pin


def test_every_hint_is_read_by_one_manager() -> None:
    for name in FILES:
        if name.startswith(("docs/", "tests/")) or not name.endswith((".yaml", ".toml", ".yml")):
            continue
        hints = len(HINT.findall((ROOT / name).read_text("utf-8", "replace")))
        got = sum(len(found(manager, name)) for manager in CONFIG["customManagers"] if name in matching(manager))
        assert hints == got, f"{name}: {hints} hints, {got} read"


@pytest.mark.parametrize(
    "line", ["  version: 0.20.4", 'version: "0.20.4"', "version = '0.20.4'", "  tag: v0.20.4 # pinned"]
)
def test_a_version_below_its_hint(line: str) -> None:
    manager = CONFIG["customManagers"][1]
    text = f"# renovate: datasource=helm depName=external-secrets registryUrl=https://charts.example\n{line}\n"
    (source,) = manager["matchStrings"]
    match = re.search(re.sub(r"\(\?<(?=\w)", "(?P<", source), text)
    assert match
    assert match["currentValue"].removeprefix("v") == "0.20.4"
    assert match["registryUrl"] == "https://charts.example"


def test_the_managers_have_files() -> None:
    for name in ("pip_requirements", "helm-values"):
        assert matching(CONFIG[name]), name
    assert matching(CONFIG["customManagers"][0]) == ["policies/crds/sources.toml", "scripts/toolchain/tools.toml"]
    assert {"requirements/run.txt", "requirements/test.txt", "scripts/toolchain/go.txt"} <= set(
        matching(CONFIG["pip_requirements"])
    )
    assert any(name.endswith("/go.mod") for name in FILES)
    assert "service/Dockerfile" in FILES


def test_only_known_managers_are_configured() -> None:
    enabled = set(CONFIG["enabledManagers"])
    assert {"custom.regex", "github-actions", "helmfile", "helm-values", "pip_requirements"} <= enabled
    for rule in CONFIG["packageRules"]:
        assert set(rule.get("matchManagers", [])) <= enabled
