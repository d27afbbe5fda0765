"""Puts generated files where they belong, all at once: a run that is killed leaves what was there before.

A whole new folder is made beside the old one and the two change places in one step of the kernel (renameat2 with
RENAME_EXCHANGE). What people put there stays; what they edited is refused.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mldeploy import paths
from mldeploy.errors import MldeployError, RefusedError
from mldeploy.overlay.layout import BY_HAND, Layout
from mldeploy.overlay.stamp import Origin, origin

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
EDITED_REMEDY = (
    f"put the change into the values or the chart, or into {BY_HAND}/ of an overlay (docs/overlays.md); then delete "
    "the file, and mldeploy overlay build makes it again"
)


_EDITED, _FOREIGN = _BY_PEOPLE = ("was edited by hand", "is not generated")


@dataclass(frozen=True)
class Stale:
    """A file that is not as it is to be: its path below `home`, a folder relative to the checkout, and what it is.

    Attributes:
        ours: `mldeploy overlay build` puts it right; else people have to.
    """

    home: Path
    name: str
    what: str
    ours: bool = True

    def __str__(self) -> str:
        return f"{self.home / self.name}: {self.what}"


def stale(layout: Layout, files: Mapping[str, str]) -> list[Stale]:
    """List what is not as it is to be.

    Raises:
        RefusedError: a file or folder is a link.
    """
    found = read(layout)
    home = layout.home.relative_to(layout.root)
    told = ((name, _stale(found.get(name), files.get(name))) for name in sorted({*found, *files}))
    return [Stale(home, name, what, what not in _BY_PEOPLE) for name, what in told if what]


def _stale(text: str | None, wanted: str | None) -> str:
    if text is None:
        return "is missing"
    whose = origin(text)
    if whose is Origin.EDITED:
        return _EDITED
    if wanted is None:
        return "is made no more" if whose is Origin.OURS else ""
    if text == wanted:
        return ""
    return "is out of date" if whose is Origin.OURS else _FOREIGN


def write(layout: Layout, files: Mapping[str, str]) -> list[str]:
    """Make base and overlays what they are to be.

    Returns:
        The paths that changed, relative to the checkout; nothing was written where there are none.

    Raises:
        RefusedError: a generated file was edited, a file of somebody else is where one is to be written, or a link is.
        MldeployError: the file system cannot do it in one step.
    """
    found = read(layout)
    home = layout.home.relative_to(layout.root)
    for name, text in found.items():
        whose = origin(text)
        if whose is Origin.EDITED:
            raise RefusedError(f"{home}/{name}: was edited by hand; nothing was written", remedy=EDITED_REMEDY)
        if whose is Origin.FOREIGN and name in files:
            raise RefusedError(f"{home}/{name}: is not generated, and would be overwritten", remedy=EDITED_REMEDY)
    gone = [name for name, text in found.items() if name not in files and origin(text) is Origin.OURS]
    changed = [name for name, text in files.items() if found.get(name) != text]
    if gone or changed:
        _replace(layout, {name: files[name] for name in changed}, gone)
    return [f"{home}/{name}" for name in sorted([*gone, *changed])]


def read(layout: Layout) -> dict[str, str]:
    """Give every file of base and overlays by its path below the folder.

    Raises:
        RefusedError: a file or folder is a link.
    """
    return {name: (layout.home / name).read_bytes().decode("utf-8", "replace") for name in layout.files()}


def _replace(layout: Layout, changed: Mapping[str, str], gone: list[str]) -> None:
    staging = paths.state(layout.root) / "overlays" / layout.home.name
    shutil.rmtree(staging, ignore_errors=True)  # what a killed run left
    staging.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if layout.home.is_dir():
        shutil.copytree(layout.home, staging)
    else:
        staging.mkdir()
    for name in gone:
        (staging / name).unlink()
    for name, text in changed.items():
        path = staging / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    for name in gone:
        _prune((staging / name).parent, staging)
    if not any(staging.iterdir()):
        staging.rmdir()
        layout.home.rename(staging)
        shutil.rmtree(staging)
    elif layout.home.is_dir():
        _exchange(staging, layout.home)
        shutil.rmtree(staging)
    else:
        staging.rename(layout.home)


def _prune(folder: Path, top: Path) -> None:
    """Remove a folder with nothing in it, and those above it that had nothing else, up to `top`."""
    while folder != top and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _exchange(one: Path, other: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) != 0:
        code = ctypes.get_errno()
        if code in {errno.EINVAL, errno.EXDEV, errno.ENOSYS}:
            raise MldeployError(
                f"{other}: the file system cannot exchange two folders in one step",
                remedy="keep the checkout on a local file system such as ext4, xfs, btrfs or tmpfs",
            )
        raise OSError(code, os.strerror(code), str(other))
