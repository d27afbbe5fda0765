"""The bootstrapped state, kept so that later starts skip the bootstrap: keys, the store, and the node's images.

Taken while the components are stopped for some milliseconds, in a moment when no pod exists yet. What is copied is what
a power cut would leave at that moment, which both stores are made to recover from. Files that are never changed in
place (image content and unpacked layers) are linked, not copied.
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
from mldeploy.cluster import addons, pki
from mldeploy.cluster.components import Component
from mldeploy.cluster.layout import Layout

_COPY_S = 60.0
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


def take(place: Layout, taken_key: str, pids: Sequence[int]) -> None:
    """Keep the state as it is now; a snapshot that is there is replaced once the new one is whole.

    Args:
        place: the cluster's files.
        taken_key: see `key`.
        pids: the host's numbers of etcd and containerd, stopped meanwhile.
    """
    temporary = place.folder / f"snapshot.{os.getpid()}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(mode=0o700)
    try:
        with _stopped(pids):
            for name in _SOURCES:
                _copy(place.node / name, temporary / name)
        (temporary / _KEY).write_text(taken_key, "ascii")
        shutil.rmtree(place.snapshot, ignore_errors=True)
        temporary.rename(place.snapshot)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _stopped(pids: Sequence[int]) -> Iterator[None]:
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _copy(source: Path, target: Path) -> None:
    if source.name != "containerd":
        process.run(["cp", "--archive", "--sparse=always", "--reflink=auto", source, target], timeout_s=_COPY_S)
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
