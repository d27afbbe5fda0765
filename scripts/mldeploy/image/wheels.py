"""Fetches the wheels of a lock, once: by hash, for the image's platform, whatever this machine runs."""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from mldeploy import paths
from mldeploy.errors import MldeployError
from mldeploy.image.follow import follow
from mldeploy.process import ProcessError
from mldeploy.progress import Progress

_TIMEOUT_S = 900
# glibc 2.28 and what came before it: pip does not add the older ones by itself.
_PLATFORMS = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_26", "manylinux_2_24", "manylinux_2_17", "manylinux2014")
_PYTHON = "311"


def fetch(locks: Sequence[Path], progress: Progress) -> Path:
    """Give a folder with the wheels of some locks, from the cache where they are there.

    Args:
        locks: requirements files with a hash for each requirement.
        progress: told what is fetched.

    Raises:
        MldeployError: the package index cannot be reached, or what it serves is not what the lock says.
    """
    wanted = hashlib.sha256(b"".join(lock.read_bytes() for lock in locks)).hexdigest()[:12]
    folder = paths.cache() / "wheels" / wanted
    if folder.is_dir():
        return folder
    # The folder appears whole or not at all; one that a stopped run left is begun again.
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    total = sum(len(re.findall(r"^[a-z0-9].*==", lock.read_text("utf-8"), re.MULTILINE)) for lock in locks)
    with progress.step(f"Fetching {total} wheels", key="image-wheels") as step:
        done = 0

        def on_line(line: str) -> None:
            nonlocal done
            if match := re.match(r"Collecting ([\w.-]+)", line):
                done += 1
                step.update(match[1], done=min(1.0, done / total))

        for lock in locks:
            _download(lock, partial, on_line)
    partial.replace(folder)
    return folder


def _download(lock: Path, folder: Path, on_line: Callable[[str], None]) -> None:
    platforms = [word for name in _PLATFORMS for word in ("--platform", f"{name}_x86_64")]
    options = [
        "--require-hashes",
        "--no-deps",
        "--only-binary=:all:",
        "--implementation=cp",
        f"--python-version={_PYTHON}",
    ]
    quiet = ["--disable-pip-version-check", "--progress-bar=off"]
    argv: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "download",
        *options,
        *platforms,
        *quiet,
        f"--dest={folder}",
        "-r",
        lock,
    ]
    try:
        follow(argv, on_line, timeout_s=_TIMEOUT_S)
    except ProcessError as error:
        raise MldeployError(
            f"{lock}: its wheels could not be fetched\n{_reason(error.stdout)}", remedy=_remedy(error)
        ) from error


def _reason(output: str) -> str:
    lines = [line for line in output.splitlines() if line.startswith(("ERROR", "    ", "WARNING"))]
    return "\n".join(f"  {line}" for line in (lines or output.splitlines())[-8:])


def _remedy(error: ProcessError) -> str:
    if "DO NOT MATCH THE HASHES" in error.stdout:
        return "do not use what was served: check the package index that pip is configured with"
    if "No space left" in error.stdout:
        return "free some space in the cache folder's file system"
    if "No module named pip" in error.stdout:
        return "make the environment again: scripts/up"
    return "check the network, and pip's configuration (pip config list); the same command goes on from here"
