"""Python programs whose many dependencies are not ours: a locked virtual environment for each, in the user's cache.

It is made with uv from `requirements/<name>.txt`, every package verified by hash, and kept by content like the built
tools. What is in it is verified when it is made, not at each use: ten thousand files would cost more than their use.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from mldeploy import paths, process
from mldeploy.errors import MldeployError
from mldeploy.progress import Progress

NAMES = ("checkov",)
_LOCKS = Path(__file__).parents[3] / "requirements"
_TIMEOUT_S = 1200.0


def interpreter(name: str) -> Path:
    """Give the Python in whose environment a program is.

    Args:
        name: one of `NAMES`.

    Raises:
        MldeployError: it is not installed.
    """
    found = _folder(name) / "bin" / "python"
    if not found.exists():
        raise MldeployError(f"{name} {version(name)} is not installed", remedy="run mldeploy tools install")
    return found


def is_installed(name: str) -> bool:
    """Say whether the environment is there, as it is locked now."""
    return _folder(name).is_dir()


def version(name: str) -> str:
    """Give the version of the program that an environment is for, as it is locked."""
    match = re.search(rf"^{re.escape(name)}==(\S+)", _lock(name).read_text("utf-8"), re.MULTILINE)
    if match is None:
        raise MldeployError(f"{_lock(name)}: does not lock {name}", remedy="run scripts/lock")
    return match[1]


def install(names: Sequence[str], progress: Progress) -> list[str]:
    """Make the environments that are missing.

    Args:
        names: of `NAMES`.
        progress: where the steps are announced.

    Returns:
        The names of those that were made now.

    Raises:
        ProcessError: a package is not served, or has another hash than the one that is locked.
    """
    missing = [name for name in names if not is_installed(name)]
    for name in missing:
        with progress.step(f"Installing {name} {version(name)} (PyPI)", key=f"environment {name}"):
            _make(name)
    return missing


def _make(name: str) -> None:
    folder = _folder(name)
    staging = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(staging, ignore_errors=True)
    uv = Path(sys.executable).with_name("uv")
    python = staging / "bin" / "python"
    env = {"UV_CACHE_DIR": str(paths.cache() / "uv"), **_index()}
    try:
        process.run([uv, "--quiet", "venv", "--python", sys.executable, staging], timeout_s=_TIMEOUT_S, env=env)
        options: list[str | Path] = [
            "--python",
            python,
            "--require-hashes",
            "--compile-bytecode",
            "--requirement",
            _lock(name),
        ]
        process.run([uv, "--quiet", "pip", "install", *options], timeout_s=_TIMEOUT_S, env=env)
        try:
            staging.rename(folder)
        except OSError:
            if not folder.is_dir():  # otherwise another process was faster, and what it made is the same
                raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _index() -> dict[str, str]:
    """Give uv the package index that pip is set to use: the user's setting counts for both."""
    if "UV_DEFAULT_INDEX" in os.environ:
        return {}
    asked = process.run([sys.executable, "-m", "pip", "config", "get", "global.index-url"], timeout_s=60, ok=(0, 1))
    index = os.environ.get("PIP_INDEX_URL") or asked.stdout.strip()
    return {"UV_DEFAULT_INDEX": index} if index else {}


def _lock(name: str) -> Path:
    return _LOCKS / f"{name}.txt"


def _folder(name: str) -> Path:
    # The interpreter is part of it: the environment's packages are for its version, and it is a link to it.
    interpreter = f"{sys.implementation.cache_tag} {sys.base_prefix}"
    key = hashlib.sha256(interpreter.encode() + _lock(name).read_bytes()).hexdigest()[:16]
    return paths.cache() / "environments" / f"{name}-{key}"
