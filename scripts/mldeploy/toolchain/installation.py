"""Installs tools: keeps what is good, takes what PATH has in exactly the pinned version, and builds the rest."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from mldeploy import paths
from mldeploy.errors import MldeployError
from mldeploy.progress import Progress
from mldeploy.toolchain import store
from mldeploy.toolchain.pins import Pin, Pins, load

_MEMORY_PER_BUILD = 3 * 1024**3
_OWNED = ".made-by-tools-install"


def install(names: Sequence[str], progress: Progress, *, pins: Pins | None = None) -> list[str]:
    """Make sure that tools are installed and good.

    Args:
        names: which ones; none means all of tools.toml.
        progress: where the steps are announced.
        pins: default: this repository's.

    Returns:
        The names of those that were installed now; empty when nothing was to do.

    Raises:
        MldeployError: no compiler, space or network, a wrong checksum, or a compile error. What was finished is kept.
    """
    pins = pins or load()
    wanted = [pins.pin(name) for name in dict.fromkeys(names)] or list(pins.tools.values())
    if all(_is_good(pins, pin) for pin in wanted):
        return []
    from mldeploy.toolchain.lock import exclusive
    from mldeploy.toolchain.on_path import adopt

    with exclusive(paths.cache() / "tools" / ".lock", "installs tools", progress):
        missing = [pin for pin in wanted if not _is_good(pins, pin, progress)]
        to_build = [pin for pin in missing if not adopt(pin, pins.key(pin), progress)]
        if to_build:
            _build(pins, to_build, progress)
    return [pin.name for pin in missing]


def _is_good(pins: Pins, pin: Pin, progress: Progress | None = None) -> bool:
    try:
        return store.find(pin.name, pins.key(pin)) is not None
    except store.DamagedError as error:
        if progress is not None:
            progress.note(f"{error.message}; it is installed anew")
            store.remove(pin.name, pins.key(pin))
        return False


def _build(pins: Pins, missing: Sequence[Pin], progress: Progress) -> None:
    from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

    from mldeploy.toolchain import build, golang

    go = golang.provide(progress)
    modules: dict[str, list[Pin]] = {}
    for pin in missing:
        modules.setdefault(pin.module, []).append(pin)
    needed = {module: sum(pin.build_mb for pin in pins.tools.values() if pin.module == module) for module in modules}
    place = build.folder()
    _check_space(place, sum(needed.values()), progress)
    if not place.exists():
        place.mkdir(parents=True)
        (place / _OWNED).touch()
    running = build.Running()
    workers = max(1, min(len(modules), os.cpu_count() or 1, _memory() // _MEMORY_PER_BUILD))
    with ThreadPoolExecutor(workers) as pool:
        try:
            # The longest first, so that the short ones fill the gaps.
            futures = [
                pool.submit(build.build, build.Job(pins, module, tuple(modules[module]), go), running, progress)
                for module in sorted(modules, key=lambda module: -needed[module])
            ]
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        except BaseException:
            running.stop()
            pool.shutdown(cancel_futures=True)
            raise
    # Caches that somebody else made there are theirs to remove.
    if (place / _OWNED).exists():
        with progress.step("Removing what only building needed"):
            build.remove_caches()


def _check_space(place: Path, needed_mb: int, progress: Progress) -> None:
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


def _memory() -> int:
    """Bytes of memory that are free to use (MemAvailable of proc_meminfo(5))."""
    for line in Path("/proc/meminfo").read_text("ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return _MEMORY_PER_BUILD
