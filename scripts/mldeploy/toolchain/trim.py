"""Takes sources and compiled packages away as soon as no module that is still to be built needs them.

All modules together need about 15 GB; trimmed after each one, the peak is little more than what the two largest need.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

_REQUIRED = re.compile(r"(\S+) (v\d\S*)")


def required(go_mods: Iterable[Path]) -> set[str]:
    """Name the folders of a module cache that go.mod files ask for, such as "k8s.io/api@v0.36.3".

    After `go mod tidy` a go.mod names every module that is compiled. Capitals are escaped as Go does it.
    """
    return {
        f"{re.sub('[A-Z]', lambda capital: '!' + capital[0].lower(), match[1])}@{match[2]}"
        for go_mod in go_mods
        for match in _REQUIRED.finditer(go_mod.read_text("utf-8"))
    }


def trim(compiled: Mapping[Path, Path], needed: set[str], sources: Path) -> None:
    """Remove what only finished modules needed.

    Args:
        compiled: each compiled package's file in the build cache, and the folder of its module's sources.
        needed: what `required` says of the modules that are still to be built.
        sources: the module cache; what is outside it (the standard library, own programs) stays.
    """
    for archive, folder in compiled.items():
        if not folder.is_relative_to(sources):
            continue
        name = folder.relative_to(sources).as_posix()
        if name in needed:
            continue
        with suppress(FileNotFoundError):
            archive.unlink()
        if folder.is_dir():
            module, _, version = name.rpartition("@")
            shutil.rmtree(folder, ignore_errors=True)
            (sources / "cache" / "download" / module / "@v" / f"{version}.zip").unlink(missing_ok=True)
