"""The table of commands: name, module below `mldeploy.cli`, and the line that `mldeploy --help` shows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """One command: where its `main(argv) -> int` is, and what it is for."""

    module: str
    group: str
    summary: str


COMMANDS: dict[str, Command] = {}
