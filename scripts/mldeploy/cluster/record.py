"""What is known about a running cluster: written by its keeper, true exactly as long as the keeper holds its lock."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from mldeploy.cluster.layout import Layout
from mldeploy.errors import MldeployError, RefusedError

_PAUSE_S = 0.02


@dataclass(frozen=True)
class Record:
    """One run of a cluster.

    Attributes:
        cgroup: its cgroup below each hierarchy's root, "" for none.
        port: on 127.0.0.1.
        keeper, first: the host's numbers of the keeper and of the namespaces' first process; 0 while not yet known.
    """

    cgroup: str
    port: int
    keeper: int = 0
    first: int = 0


def write(place: Layout, record: Record) -> None:
    """Replace the record, so that a reader sees the old one or the new one."""
    temporary = place.record.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps(asdict(record)), "utf-8")
    temporary.replace(place.record)


def read(place: Layout) -> Record | None:
    """Give the last run's record, whether or not it still runs; None when there is none that can be read."""
    try:
        return Record(**json.loads(place.record.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


@contextmanager
def locked(place: Layout) -> Iterator[None]:
    """Hold the cluster for a change.

    Raises:
        RefusedError: another mldeploy is changing it.
        MldeployError: the folder cannot be written.
    """
    try:
        place.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(place.lock, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise MldeployError(
            f"{place.folder}: cannot be written ({error.strerror})", remedy="run as root, in a checkout of your own"
        ) from error
    with os.fdopen(descriptor, "r+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = file.read().strip() or "unknown"
            raise RefusedError(
                f"cluster {place.name}: another mldeploy (process {holder}) is changing it",
                remedy="wait for it to end, then run this again",
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def alive_lock(place: Layout) -> int | None:
    """Take the lock that a keeper holds for its life; give its descriptor, or None when a keeper has it."""
    descriptor = os.open(place.folder / "alive", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def running(place: Layout) -> bool:
    """Tell whether the cluster's keeper lives."""
    if not (place.folder / "alive").exists():
        return False
    descriptor = alive_lock(place)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def wait_until_ended(place: Layout, timeout_s: float) -> bool:
    """Wait until the keeper has ended, its cleaning included; False when it has not in time."""
    deadline = time.monotonic() + timeout_s
    while running(place):
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE_S)
    return True


def kill(pid: int) -> None:
    """Send SIGKILL to a process of a cluster that still runs; one that has ended is no error."""
    if pid > 1:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def folder_of(path: Path) -> Layout:
    """Give the layout of the cluster whose folder is `path`."""
    return Layout(path, path.name)
