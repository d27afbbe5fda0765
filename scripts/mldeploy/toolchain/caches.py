"""The compilers' caches, in a folder of the installation's own: the user's stay as they are, and these are removed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from mldeploy import paths
from mldeploy.errors import MldeployError
from mldeploy.progress import Progress

_OWNED = ".made-by-tools-install"


def folder() -> Path:
    """Say where compilers keep their caches while tools are built."""
    return paths.cache() / "build"


def environment() -> dict[str, str]:
    """Give the variables that every call of the compiler runs with, whatever the user has set.

    The proxy and the checksum database stay the user's choice (GOPROXY, HTTPS_PROXY, GOSUMDB).
    """
    place = folder()
    temporary = place / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    return {
        "GOCACHE": str(place / "go-build"),
        "GOMODCACHE": str(place / "mod"),
        # On the same file system as the result, so that the linker's file is moved and never copied.
        "GOTMPDIR": str(temporary),
        # Writable, so that removing the sources needs no change of modes first.
        "GOFLAGS": "-mod=readonly -modcacherw",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
    }


def claim() -> bool:
    """Make the folder of the caches, and say whether it belongs to the installation: one that was there does not."""
    place = folder()
    if not place.exists():
        place.mkdir(parents=True)
        (place / _OWNED).touch()
    return (place / _OWNED).exists()


def are_ours() -> bool:
    """Say whether an earlier installation has left caches that are to be removed."""
    return (folder() / _OWNED).exists()


def remove() -> None:
    """Take the caches away; an interrupted removal can be repeated, since the mark of ownership goes last."""
    for path in folder().iterdir():
        if path.name != _OWNED:
            shutil.rmtree(path)
    (folder() / _OWNED).unlink()
    folder().rmdir()


def check_space(needed_mb: int, progress: Progress) -> None:
    """Say how much disk building takes, and refuse where there is not as much.

    Raises:
        MldeployError: too little is free.
    """
    place = folder()
    existing = next(folder for folder in (place, *place.parents) if folder.is_dir())
    free = shutil.disk_usage(existing).free // 1024**2
    progress.note(f"Building takes up to {needed_mb / 1000:.1f} GB for a while; {free / 1000:.1f} GB are free.")
    # What an interrupted installation has left there need not be made again.
    if free < needed_mb and free < (more := needed_mb - _megabytes(place)):
        raise MldeployError(
            f"{place}: building needs {more} MB more, {free} MB are free on this disk",
            remedy="make room, or set XDG_CACHE_HOME to a folder on another disk",
        )


def _megabytes(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            total += os.lstat(f"{parent}/{name}").st_blocks * 512
    return total // 1024**2
