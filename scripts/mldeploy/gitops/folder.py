"""Published manifests in a folder: read with their provenance, and replaced an environment at a time."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mldeploy.errors import MldeployError, RefusedError
from mldeploy.gitops import provenance
from mldeploy.gitops.provenance import FILE, Provenance

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_NEW, _OLD = ".new", ".old"
_SHOWN = 5


@dataclass(frozen=True)
class Environment:
    """An environment's manifests.

    Attributes:
        files: text by path in the environment's folder, all but the provenance itself.
    """

    name: str
    provenance: Provenance
    files: Mapping[str, str]


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other publishes out of a folder, and put right what a killed one left.

    Raises:
        RefusedError: another is at work.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RefusedError(f"{folder}: another publish is at work here", remedy="wait for it to end") from error
        _recover(folder)
        yield
    finally:
        os.close(handle)


def published(folder: Path) -> list[str]:
    """List the environments that a folder holds.

    Raises:
        RefusedError: it holds something, and nothing that was published.
    """
    names = sorted(path.parent.name for path in folder.glob(f"[!.]*/{FILE}"))
    if not names and any(path.name != ".git" for path in folder.iterdir()):
        raise RefusedError(
            f"{folder.name}: holds files, and none that mldeploy gitops publish made",
            remedy="publish into a folder or branch that is empty or does not exist",
        )
    return names


def read(folder: Path, name: str) -> Environment | None:
    """Read an environment's manifests.

    Args:
        folder: where environments are published.
        name: the environment.

    Returns:
        None where it was not published.

    Raises:
        RefusedError: a file was changed or removed since it was published, or leads somewhere else.
        MldeployError: the provenance cannot be read.
    """
    home = folder / check_name(name)
    if not (home / FILE).exists():
        return None
    made = provenance.read(home / FILE)
    texts = {path: _text(home, path) for path in made.files}
    edited = [path for path, text in texts.items() if text is None or provenance.sha256(text) != made.files[path]]
    if edited:
        listed = ", ".join(f"{name}/{path}" for path in edited[:_SHOWN]) + (", ..." if len(edited) > _SHOWN else "")
        raise RefusedError(
            f"{listed}: changed since it was published, by somebody else",
            remedy="put it back (git checkout, git revert), and change the values or the chart instead",
        )
    return Environment(name, made, {path: text for path, text in texts.items() if text is not None})


def write(folder: Path, name: str, before: Environment | None, after: Environment | None) -> None:
    """Replace an environment's manifests as a whole; files of others in its folder stay.

    Args:
        folder: where environments are published; see `alone`.
        name: the environment.
        before: what `read` gave.
        after: what is to be there; None: nothing.

    Raises:
        RefusedError: a file that nobody published is where one is to be written.
    """
    home = folder / check_name(name)
    staging = folder / f".{name}{_NEW}"
    if home.is_dir():
        shutil.copytree(home, staging, symlinks=True)
    else:
        staging.mkdir()
    for path in (*before.files, FILE) if before is not None else ():
        (staging / path).unlink()
    if after is not None:
        for path, text in {**after.files, FILE: after.provenance.text()}.items():
            _add(staging, path, text)
    _without_empty(staging)
    old = folder / f".{name}{_OLD}"
    if home.is_dir():
        home.rename(old)
    if staging.is_dir():
        staging.rename(home)
    shutil.rmtree(old, ignore_errors=True)


def check_name(name: str) -> str:
    """Give a name that may be a folder's.

    Raises:
        MldeployError: it may not.
    """
    if not _NAME.fullmatch(name):
        raise MldeployError(f"{name!r} cannot be a folder's name", remedy="use letters, digits, '-', '_' and '.'")
    return name


def _text(home: Path, path: str) -> str | None:
    """Read a file that a provenance names; None where it is not the plain file that was written."""
    parts = PurePosixPath(path).parts
    file = home.joinpath(*parts)
    if (
        ".." in parts
        or PurePosixPath(path).is_absolute()
        or any(each.is_symlink() for each in (home, file.parent, file))
    ):
        raise RefusedError(f"{file}: leads out of what was published", remedy="restore the folder from git")
    try:
        return file.read_bytes().decode("utf-8")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, UnicodeDecodeError):
        return None


def _add(staging: Path, path: str, text: str) -> None:
    file = staging / path
    if file.parent.is_symlink() or file.is_symlink() or file.exists():
        raise RefusedError(
            f"{staging.name[1 : -len(_NEW)]}/{path}: is there, and mldeploy gitops publish did not make it",
            remedy="move it away",
        )
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(text.encode())


def _without_empty(folder: Path) -> None:
    for below, _, _ in os.walk(folder, topdown=False):
        if not any(Path(below).iterdir()):
            Path(below).rmdir()


def _recover(folder: Path) -> None:
    for old in folder.glob(f".*{_OLD}"):
        home = folder / old.name[1 : -len(_OLD)]
        if not home.exists():
            old.rename(home)
        shutil.rmtree(old, ignore_errors=True)
    for staging in folder.glob(f".*{_NEW}"):
        shutil.rmtree(staging, ignore_errors=True)
