"""A lock between processes, held as long as its block runs; the second one waits and says for whom."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mldeploy.progress import Progress


@contextmanager
def exclusive(path: Path, what: str, progress: Progress) -> Iterator[None]:
    """Hold the lock file `path`; the kernel frees it when this process ends, however it ends.

    Args:
        path: the lock file; it stays, empty or not.
        what: what is done under the lock, for those who wait ("installs tools").
        progress: where a wait is announced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "another process"
            with progress.step(f"Waiting: {holder} (lock {path})"):
                fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(f"process {os.getpid()} {what}\n")
        file.flush()
        yield
