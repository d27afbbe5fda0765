"""Folders to work in that are gone afterwards, those of killed runs too."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = "work-"
_OWNED = "owned"
_LAST_WRITES_S = 10.0


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """Give an empty folder of this run's own, below `parent`; folders that killed runs left there are removed.

    A run holds a lock in its folder, which the kernel lets go when the run ends, however it ends.
    """
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.glob(f"{_PREFIX}*"):
        _remove_unless_owned(left)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    try:
        with (folder / _OWNED).open("w") as owned:
            fcntl.flock(owned, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_unless_owned(folder: Path) -> None:
    try:
        with (folder / _OWNED).open("r+") as owned:
            fcntl.flock(owned, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # What a killed run had started may write for a moment more.
            deadline = time.monotonic() + _LAST_WRITES_S
            while folder.exists() and time.monotonic() < deadline:
                shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        # Owned, or made this very moment: not ours to remove.
        return
