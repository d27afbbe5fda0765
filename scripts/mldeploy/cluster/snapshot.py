"""The bootstrapped state, kept so that later starts skip the bootstrap: keys, the store, and the node's images.

Taken while the component is stopped for some milliseconds, when there is no node and no pod yet. What is copied
is what a power cut would leave at that moment, which both stores are made to recover from. Files that are never changed
in place (image content and unpacked layers) are linked, not copied.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from mldeploy import process
from mldeploy.cluster import addons, pki, wait
from mldeploy.cluster.components import Component
from mldeploy.cluster.layout import Layout

_COPY_S = 60.0
_STOP_S = 10.0
_SOURCES = ("pki", "etcd", "containerd")
_KEY = "key"


def key(wanted: Sequence[Component], images: addons.SystemImages, snapshotter: str) -> str:
    """Give what a snapshot must agree with: the components' flags, the images, the manifests, this code."""
    told = hashlib.sha256()
    told.update(repr((tuple(wanted), images, snapshotter)).encode())
    told.update(addons.sources())
    for module in sorted(Path(__file__).parent.glob("*.py")):
        told.update(module.read_bytes())
    return told.hexdigest()


def usable(place: Layout, wanted_key: str) -> bool:
    """Tell whether there is a whole snapshot with this key, whose certificates last."""
    try:
        return (place.snapshot / _KEY).read_text("ascii") == wanted_key and not pki.expires_soon(place.snapshot / "pki")
    except (OSError, ValueError):
        return False


def restore(place: Layout) -> None:
    """Make the node's folder from the snapshot."""
    for name in _SOURCES:
        _copy(place.snapshot / name, place.node / name)


def take_store(place: Layout, etcd: int) -> None:
    """Begin a snapshot with the keys and the store as they are now: no node may be registered yet.

    Args:
        place: the cluster's files.
        etcd: the host's number of its process.
    """
    shutil.rmtree(_unfinished(place), ignore_errors=True)
    _unfinished(place).mkdir(mode=0o700)
    _copy(place.node / "pki", _unfinished(place) / "pki")
    with _stopped(etcd):
        _copy(place.node / "etcd", _unfinished(place) / "etcd")


def take_images(place: Layout, containerd: int, taken_key: str) -> None:
    """Finish a snapshot with the node's images, and put it in the place of an older one: no pod may run yet.

    Args:
        place: the cluster's files.
        containerd: the host's number of its process.
        taken_key: see `key`.
    """
    with _stopped(containerd):
        _copy(place.node / "containerd", _unfinished(place) / "containerd")
    (_unfinished(place) / _KEY).write_text(taken_key, "ascii")
    shutil.rmtree(place.snapshot, ignore_errors=True)
    _unfinished(place).rename(place.snapshot)


@contextmanager
def _stopped(pid: int) -> Iterator[None]:
    """Stop a process, every thread of it, for the length of a block: it neither ends nor notices."""
    os.kill(pid, signal.SIGSTOP)
    try:
        wait.until(lambda: _is_stopped(pid), f"process {pid} to stop", timeout_s=_STOP_S, alive=str)
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def _is_stopped(pid: int) -> bool:
    states = [
        path.read_text("ascii").rpartition(")")[2].split()[0] for path in Path(f"/proc/{pid}/task").glob("*/stat")
    ]
    return set(states) == {"T"}


def _unfinished(place: Layout) -> Path:
    return place.folder / "snapshot.unfinished"


def _copy(source: Path, target: Path) -> None:
    if source.name != "containerd":
        # A killed start takes it along: an orphan would go on writing where the next start, or its end, cleans up.
        copy = ["setpriv", "--pdeathsig", "KILL", "cp", "--archive", "--sparse=always", "--reflink=auto"]
        process.run([*copy, source, target], timeout_s=_COPY_S)
        return
    fixed = {source / "io.containerd.content.v1.content" / "blobs"}
    fixed.update(path / "fs" for path in source.glob("io.containerd.snapshotter.v1.*/snapshots/*"))
    shutil.copytree(source, target, symlinks=True, copy_function=_link_or_copy(frozenset(fixed)))


def _link_or_copy(fixed: frozenset[Path]) -> Callable[[str, str], None]:
    def one(source: str, target: str) -> None:
        if fixed.isdisjoint(Path(source).parents):
            shutil.copy2(source, target)
        else:
            os.link(source, target)

    return one
