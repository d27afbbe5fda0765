"""Installs tools: keeps what is good, takes what PATH has in exactly the pinned version, and builds the rest."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from mldeploy import paths
from mldeploy.progress import Progress
from mldeploy.toolchain import caches, store
from mldeploy.toolchain.pins import Pin, Pins, load

_MEMORY_PER_BUILD = 3 * 1024**3


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
    left_over = not names and caches.are_ours()
    if all(_is_good(pins, pin) for pin in wanted) and not left_over:
        return []
    from mldeploy.lock import exclusive
    from mldeploy.toolchain.on_path import adopt

    with exclusive(paths.cache() / "tools" / ".lock", "installs tools", progress):
        missing = [pin for pin in wanted if not _is_good(pins, pin, progress)]
        to_build = [pin for pin in missing if not adopt(pin, pins.key(pin), progress)]
        if to_build:
            _build(pins, to_build, progress)
        if (to_build or left_over) and caches.are_ours():
            with progress.step("Removing what only building needed"):
                caches.remove()
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

    modules: dict[str, list[Pin]] = {}
    for pin in missing:
        modules.setdefault(pin.module, []).append(pin)
    needed = {module: sum(pin.build_mb for pin in pins.tools.values() if pin.module == module) for module in modules}
    order = sorted(modules, key=lambda module: -needed[module])
    workers = max(1, min(len(modules), len(os.sched_getaffinity(0)), _memory() // _MEMORY_PER_BUILD))
    # A module that is finished leaves its programs and what others need too: a quarter of it, as measured.
    at_once, others = order[:workers], order[workers:]
    caches.check_space(sum(needed[m] for m in at_once) + sum(needed[m] for m in others) // 4, progress)
    ours = caches.claim()
    go = golang.provide(progress)
    running = build.Running(remaining=set(modules), may_trim=ours)
    remaining = deque(order)

    def work(take: Callable[[], str]) -> None:
        while (module := _next(take)) is not None:
            build.build(build.Job(pins, module, tuple(modules[module]), go), running, progress)

    # One goes from the largest down, the others from the smallest up: two large ones at once need twice the disk.
    ways = [remaining.popleft, *[remaining.pop] * (workers - 1)]
    with ThreadPoolExecutor(workers) as pool:
        try:
            futures = [pool.submit(work, take) for take in ways]
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        except BaseException:
            running.stop()
            pool.shutdown(cancel_futures=True)
            raise


def _next(take: Callable[[], str]) -> str | None:
    try:
        return take()
    except IndexError:
        return None


def _memory() -> int:
    """Bytes of memory that are free to use (MemAvailable of proc_meminfo(5))."""
    for line in Path("/proc/meminfo").read_text("ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return _MEMORY_PER_BUILD
