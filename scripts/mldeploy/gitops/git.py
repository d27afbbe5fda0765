"""Git by its own commands: never a prompt, messages in one language."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mldeploy import process

_TIMEOUT_S = 300.0
_SETTINGS = {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


def git(root: Path, *arguments: str | Path, input_text: str | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run git in `root` and give what it prints, without the last line's end.

    Raises:
        ProcessError: it failed.
    """
    argv: list[str | Path] = ["git", *arguments]
    done = process.run(argv, timeout_s=_TIMEOUT_S, cwd=root, input_text=input_text, env={**_SETTINGS, **(env or {})})
    return done.stdout.rstrip("\n")


def attempt(root: Path, *arguments: str | Path) -> process.Completed:
    """Run git in `root`, whatever it ends with.

    Raises:
        ProcessError: it could not be started, or took too long.
    """
    argv: list[str | Path] = ["git", *arguments]
    return process.run(argv, timeout_s=_TIMEOUT_S, cwd=root, ok=range(256), env=_SETTINGS)


def commit_of(root: Path, name: str) -> str:
    """Give the commit that a name means; "" where this clone knows none."""
    return attempt(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").stdout.strip()
