"""README stays short and true: every path that it names exists, and so does every command and option."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mldeploy.cli.commands import COMMANDS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
MADE_BY_SETUP = {".venv/bin/mldeploy"}


def named_paths() -> set[str]:
    ticked = {word for word in re.findall(r"`([^`\s]+)`", README) if "/" in word and "<" not in word}
    linked = set(re.findall(r"\]\(([^)#:]+)\)", README))
    shell = set(re.findall(r"(?<![\w.-])((?:scripts|deployments|values|docs)/[\w./-]+)", README))
    return (ticked | linked | shell) - MADE_BY_SETUP


@pytest.mark.parametrize("path", sorted(named_paths()))
def test_paths_exist(path: str) -> None:
    assert (ROOT / path).exists()


def test_commands_exist() -> None:
    named = set(re.findall(r"^mldeploy ([a-z]+)", README, re.MULTILINE))
    assert named, "README names no command"
    assert named <= set(COMMANDS)


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= 150
