"""Uses a program on PATH in place of a built one, when it is of exactly the pinned version."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from mldeploy import paths, process
from mldeploy.progress import Progress
from mldeploy.toolchain import store
from mldeploy.toolchain.pins import Pin

_ASK_TIMEOUT_S = 20


def adopt(pin: Pin, key: str, progress: Progress) -> bool:
    """Look for the program on PATH and install a manifest that pins the very file that was found.

    Returns:
        Whether one was found.
    """
    if not pin.ask or pin.plugin or pin.files:
        return False
    for program in _candidates(pin.name):
        if _tells_version(program, pin):
            manifest = store.Manifest(pin.name, pin.version, key, "PATH", str(program), {}, 0.0)
            store.add(manifest, {str(program): program})
            progress.note(f"Using {program}: it is {pin.label}.")
            return True
    return False


def _candidates(name: str) -> list[Path]:
    """Programs of that name on PATH, resolved: not our own, no scripts, no shims, which start what a folder says."""
    found: list[Path] = []
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        hit = shutil.which(name, path=folder) if folder.startswith("/") else None
        if hit is None:
            continue
        program = Path(hit).resolve()
        ours = program.is_relative_to(paths.cache().resolve())
        if not ours and program.name.startswith(name) and _is_elf(program) and program not in found:
            found.append(program)
    return found


def _is_elf(program: Path) -> bool:
    try:
        with program.open("rb") as file:
            return file.read(4) == b"\x7fELF"
    except OSError:
        return False


def _tells_version(program: Path, pin: Pin) -> bool:
    try:
        # Some programs tell their version and then fail, because they expect a cluster.
        done = process.run([program, *pin.ask], timeout_s=_ASK_TIMEOUT_S, ok=range(256))
    except process.ProcessError:
        return False
    number = re.escape(pin.version.removeprefix("v"))
    return re.search(rf"(?<![\d.])v?{number}(?![\w.+-])", done.stdout + done.stderr) is not None
