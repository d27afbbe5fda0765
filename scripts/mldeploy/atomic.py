"""Writes a file in one step: whoever reads it meets what was there before or all of what is new, never a part."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def write(path: Path, text: str, *, staging: Path | None = None) -> None:
    """Put a text where a file is, or will be; an attempt that fails leaves nothing behind.

    Args:
        path: the file; only its owner may read what is put there.
        text: written as UTF-8.
        staging: a folder on the same file system in which it is written first; default: the file's own.

    Raises:
        OSError: a folder is missing, or the file cannot be written.
    """
    handle, temporary = tempfile.mkstemp(dir=staging or path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
        Path(temporary).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
