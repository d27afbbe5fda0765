"""Which running helmfiles use a generated template, so that none has it changed or taken away while it does.

A hook is told of its helmfile only by its parent process; one that ended, however it ended, uses nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# In /proc/PID/stat, counted from the field after the name: when the process began (proc(5), field 22).
_STARTED = 19


@dataclass(frozen=True)
class User:
    """A process: its number, and when it began, since numbers are used again."""

    pid: int
    started: str

    @property
    def lives(self) -> bool:
        """Whether it still is the process that it was."""
        return _started(self.pid) == self.started


def helmfile_above() -> User | None:
    """Give the helmfile whose hook this process is; None: somebody runs it by hand."""
    pid = os.getppid()
    with suppress(OSError):
        if Path(f"/proc/{pid}/comm").read_text("utf-8").strip() == "helmfile":
            return User(pid, _started(pid))
    return None


def read(path: Path) -> list[User]:
    """Give those that still live."""
    try:
        users = [User(int(pid), str(started)) for pid, started in json.loads(path.read_text("utf-8"))]
    except (OSError, ValueError, TypeError):
        return []
    return [user for user in users if user.lives]


def write(path: Path, users: Iterable[User]) -> None:
    """Keep a list."""
    path.write_text(json.dumps([[user.pid, user.started] for user in users]), "utf-8")


def _started(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[_STARTED]
    except (OSError, IndexError):
        return ""
