"""Installed tools: a folder for each in the user's cache, with a manifest of hashes that is checked at each use.

    <cache>/tools/<name>/<key>/manifest.json   what it is, where it came from, SHA-256 of every file
    <cache>/tools/<name>/<key>/verified.json   device, inode, size and times of each file when its hash last matched
    <cache>/tools/<name>/<key>/bin/<name>      the program, and the files that were copied out of its module

A file's change time (ctime) cannot be set by a program, so a file whose status is exactly as it was when its hash
matched has the same content; any other file is hashed again (docs/decisions/0003-toolchain.md).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from mldeploy import paths
from mldeploy.errors import MldeployError

_MANIFEST = "manifest.json"
_VERIFIED = "verified.json"
_REMEDY = "run mldeploy tools install"


@dataclass(frozen=True)
class Manifest:
    """What an installed tool is.

    Attributes:
        name, version, key: as pinned.
        source: "built" with the compiler's version, or "PATH".
        program: the executable; relative to the entry, or absolute where it was found on PATH.
        files: SHA-256 of every file, by path, like `program`.
        seconds: how long it took to build, for all programs of its module together.
    """

    name: str
    version: str
    key: str
    source: str
    program: str
    files: dict[str, str]
    seconds: float


@dataclass(frozen=True)
class Entry:
    """An installed tool whose files were just found to be what its manifest says."""

    folder: Path
    manifest: Manifest

    @property
    def program(self) -> Path:
        """The executable."""
        return self.folder / self.manifest.program

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum((self.folder / name).stat().st_size for name in self.manifest.files)


class DamagedError(MldeployError):
    """An installed tool is not what it was when it was installed."""


def folder_of(name: str, key: str) -> Path:
    """Say where the tool with that key is or would be."""
    return paths.cache() / "tools" / name / key


def find(name: str, key: str, *, thorough: bool = False) -> Entry | None:
    """Find an installed tool and verify it.

    Args:
        name: the tool.
        key: what `Pins.key` gives for it.
        thorough: hash every file, whatever its status says.

    Returns:
        The entry; None when the tool is not installed.

    Raises:
        DamagedError: a file is missing, was added, or has another hash than the manifest says (both are named).
    """
    folder = folder_of(name, key)
    try:
        manifest = Manifest(**json.loads((folder / _MANIFEST).read_text("utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise DamagedError(f"{folder / _MANIFEST}: cannot be read ({error})", remedy=_REMEDY) from error
    if manifest.key != key or manifest.program not in manifest.files:
        raise DamagedError(f"{folder / _MANIFEST}: is not the manifest of {name} {key}", remedy=_REMEDY)
    _verify(folder, manifest, thorough=thorough)
    return Entry(folder, manifest)


def add(manifest: Manifest, files: Mapping[str, Path]) -> Entry:
    """Install a tool: copy its files beside a manifest of their hashes, and move the folder into place in one step.

    Args:
        manifest: what it is; its hashes are filled in here.
        files: where each file is now, by its path inside the entry; absolute names stay where they are.
    """
    folder = folder_of(manifest.name, manifest.key)
    staging = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(staging, ignore_errors=True)
    hashes: dict[str, str] = {}
    staging.mkdir(parents=True)
    try:
        for name, source in files.items():
            target = staging / name
            if target != source:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
                target.chmod(0o555 if name == manifest.program else 0o444)
            hashes[name] = sha256(target)
        filled = Manifest(**{**asdict(manifest), "files": hashes})
        (staging / _MANIFEST).write_text(json.dumps(asdict(filled), indent=1) + "\n", "utf-8")
        if folder.exists():
            remove(manifest.name, manifest.key)
        staging.rename(folder)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    _verify(folder, filled, thorough=True)
    return Entry(folder, filled)


def remove(name: str, key: str) -> None:
    """Take an entry away: out of sight first, so that nobody finds half of it."""
    folder = folder_of(name, key)
    gone = folder.with_name(f".{key}.gone.{os.getpid()}")
    with suppress(FileNotFoundError):
        folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def sha256(path: Path) -> str:
    """Hash a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _verify(folder: Path, manifest: Manifest, *, thorough: bool) -> None:
    seen = {} if thorough else _statuses(folder)
    found: dict[str, list[int]] = {}
    for name, expected in manifest.files.items():
        path = folder / name
        try:
            found[name] = _status(path)
            actual = expected if seen.get(name) == found[name] else sha256(path)
        except OSError as error:
            raise DamagedError(f"{path}: {error.strerror} (a part of {manifest.name})", remedy=_REMEDY) from error
        if actual != expected:
            raise DamagedError(
                f"{path}: is not what was installed: SHA-256 is {actual}, the manifest says {expected}", remedy=_REMEDY
            )
    if not os.access(folder / manifest.program, os.X_OK):
        raise DamagedError(f"{folder / manifest.program}: may not be executed", remedy=_REMEDY)
    expected_names = {name for name in manifest.files if not name.startswith("/")}
    if extra := _names(folder) - expected_names - {_MANIFEST, _VERIFIED}:
        raise DamagedError(f"{folder / min(extra)}: does not belong to {manifest.name}", remedy=_REMEDY)
    if found != seen:
        _remember(folder, found)


def _status(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_mode]


def _statuses(folder: Path) -> dict[str, list[int]]:
    try:
        stored = json.loads((folder / _VERIFIED).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return stored if isinstance(stored, dict) else {}


def _remember(folder: Path, found: dict[str, list[int]]) -> None:
    temporary = folder.with_name(f".{folder.name}.verified.{os.getpid()}")
    # A cache that may only be read is still good: everything is then hashed each time.
    with suppress(OSError):
        temporary.write_text(json.dumps(found), "utf-8")
        temporary.replace(folder / _VERIFIED)


def _names(folder: Path) -> set[str]:
    return {
        os.path.relpath(os.path.join(parent, name), folder)  # noqa: PTH118 - a path object a file is what costs
        for parent, _, names in os.walk(folder)
        for name in names
    }
