"""The supervisor's folders: one service a component, restarted when it ends, its output in rotated files."""

from __future__ import annotations

import os
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

from mldeploy import process
from mldeploy.cluster.components import Component
from mldeploy.cluster.layout import Layout, inside

_LOG_FILES, _LOG_BYTES = 3, 5_000_000
_SHORT_S = 10.0
# A start is mostly Go's allocations: collecting them a third as often saves a sixth of it, and costs an idle cluster
# some 80 MB. A component that really holds much collects as often as it must (docs/decisions/0010-embedded-cluster.md).
_COLLECTOR = ("GOGC=300", "GOMEMLIMIT=512MiB")


@dataclass(frozen=True)
class ServiceState:
    """What the supervisor knows of one service.

    Attributes:
        up: whether its process runs.
        pid: the process, as numbered inside the cluster's process namespace; 0 when it is down.
        seconds: for how long it has been so.
    """

    up: bool
    pid: int
    seconds: int


def write_services(place: Layout, wanted: tuple[Component, ...], programs: Path, path: str) -> None:
    """Write the scan folder; every service waits for `start`.

    Args:
        place: the cluster's files.
        wanted: the components.
        programs: the folder of their binaries.
        path: PATH for the components.
    """
    called = place.node / "bin"
    shutil.rmtree(called, ignore_errors=True)
    called.mkdir(parents=True)
    for component in wanted:
        (called / component.name).symlink_to(programs / (component.binary or component.name))
        folder = place.services / component.name
        (folder / "log").mkdir(parents=True, exist_ok=True)
        settings = [f"PATH={path}", f"HOME={inside()}", *_COLLECTOR]
        words = ["env", "-i", *settings, inside("bin", component.name), *component.arguments]
        _script(folder / "run", f"exec 2>&1\nexec {shlex.join(words)}\n")
        log = inside("log", component.name)
        _script(folder / "log" / "run", f"exec s6-log -b n{_LOG_FILES} s{_LOG_BYTES} T {log}\n")
        (folder / "down").touch()
        (place.logs / component.name).mkdir(parents=True, exist_ok=True)


def start(place: Layout, *names: str) -> None:
    """Start services that are down (and let the supervisor restart them from now on)."""
    for name in names:
        process.run(["s6-svc", "-u", place.services / name], timeout_s=_SHORT_S)
        (place.services / name / "down").unlink(missing_ok=True)


def state(place: Layout, name: str) -> ServiceState:
    """Ask the supervisor for one service's state; all zero when nothing supervises it."""
    done = process.run(
        ["s6-svstat", "-o", "up,pid,updownfor", place.services / name], timeout_s=_SHORT_S, ok=(0, 1, 111)
    )
    words = done.stdout.split()
    if done.returncode != 0 or len(words) != 3:
        return ServiceState(up=False, pid=0, seconds=0)
    up = words[0] == "true"
    return ServiceState(up=up, pid=int(words[1]) if up else 0, seconds=int(words[2]))


def ready_for_orders(place: Layout, names: tuple[str, ...]) -> bool:
    """Tell whether the supervisor listens to orders for all of `names`."""
    return all(_listens(place.services / name / "supervise" / "control") for name in names)


def _listens(control: Path) -> bool:
    # A pipe that nobody reads cannot be opened for writing, and one that is not there yet cannot be either.
    try:
        os.close(os.open(control, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def _script(path: Path, body: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o755)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\n{body}")
