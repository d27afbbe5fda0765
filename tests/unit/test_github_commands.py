"""Every command and option of ours that workflows, hooks, the devcontainer and docs/ci.md name exists."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import json5
import pytest
import yaml

from mldeploy.cli.commands import COMMANDS
from mldeploy.cli.main import main

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github").glob("*/**/*.y*ml"))
OURS = (".venv/bin/mldeploy", "mldeploy.cli.main", "`mldeploy", "\nmldeploy")


def scripts() -> Iterator[tuple[str, str]]:
    for path in FILES:
        content: dict[Any, Any] = yaml.safe_load(path.read_text("utf-8"))
        for group in [content.get("runs", {}), *content.get("jobs", {}).values()]:
            for step in group.get("steps", []):
                if "run" in step:
                    yield path.parent.name if path.name == "action.yml" else path.name, step["run"]
    for hook in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"][0]["hooks"]:
        yield "pre-commit", hook["entry"]
    yield (
        "devcontainer",
        json5.loads((ROOT / ".devcontainer/devcontainer.json").read_text("utf-8"))["postCreateCommand"],
    )
    yield "ci.md", (ROOT / "docs" / "ci.md").read_text("utf-8")


def calls(script: str) -> Iterator[list[str]]:
    """Yield the words after our command's name, up to whatever ends it for the shell."""
    for after in re.split("|".join(re.escape(name) for name in OURS), script)[1:]:
        words = re.split(r"\$\(|[`)>|;&#\n]", after, maxsplit=1)[0].split()
        yield [word.strip("\"'") for word in words]


CALLS = sorted({(where, *call) for where, script in scripts() for call in calls(script)})


def help_of(words: list[str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setenv("NO_COLOR", "1")
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        assert main([*words, "--help"]) == 0
    return out.getvalue()


def test_calls_are_found() -> None:
    named = {call[1] for call in CALLS}
    assert {"lint", "plan", "check", "tools", "image", "charts", "github", "smoke", "env"} <= named
    assert ("deploy-environment.yaml", "github", "deployed", "$ENVIRONMENT") in CALLS


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_the_command_and_its_options_exist(call: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    _, command, *words = call
    assert command in COMMANDS
    verb = [word for word in words[:1] if re.fullmatch(r"[a-z-]+", word) and not word.startswith("-")]
    text = help_of([command, *verb], monkeypatch)
    for option in (word.partition("=")[0] for word in words if word.startswith("-")):
        assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", text), f"mldeploy {command} has no {option}"


@pytest.mark.parametrize("name", sorted({word for _, run in scripts() for word in re.findall(r"scripts/\w+", run)}))
def test_the_scripts_exist_and_run(name: str) -> None:
    assert (ROOT / name).stat().st_mode & 0o111
