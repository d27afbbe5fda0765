"""Built images in the user's cache: an OCI archive and a record of what it is, whole or not there."""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mldeploy import paths
from mldeploy.progress import Progress


@dataclass(frozen=True)
class BuiltImage:
    """An image that is in the cache.

    Attributes:
        reference: `localhost/mldeploy/<name>:<hash of its inputs>`.
        archive: an OCI archive, whose bytes were checked.
        digest: of its manifest, `sha256:...`.
    """

    reference: str
    archive: Path
    digest: str


def folder() -> Path:
    """Say where archives are kept."""
    return paths.cache() / "images"


def find(archive: Path, wanted: str) -> BuiltImage | None:
    """Give what an archive holds; None where it is missing, or not what was kept under the reference `wanted`."""
    try:
        record = json.loads(archive.with_suffix(".json").read_text("utf-8"))
        with archive.open("rb") as stream:
            same = hashlib.file_digest(stream, "sha256").hexdigest() == record["sha256"]
        return BuiltImage(wanted, archive, record["digest"]) if same and record["reference"] == wanted else None
    except (OSError, ValueError, KeyError, TypeError):
        # Missing, or not as it was written (a full disk, a hand in the cache): either way it is built again.
        return None


@contextmanager
def locked(path: Path, progress: Progress) -> Iterator[None]:
    """Let one build of an image run at a time; the others wait, and say so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with progress.step("Waiting for another build of the same image"):
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def keep(partial: Path, target: Path, name: str, digest: str) -> BuiltImage:
    """Move a finished archive to where `find` looks for it.

    Args:
        partial: the archive, on the same file system.
        target: where it goes.
        name: the image's reference.
        digest: its manifest's.
    """
    with partial.open("rb") as stream:
        checksum = hashlib.file_digest(stream, "sha256").hexdigest()
    record = {"reference": name, "digest": digest, "sha256": checksum}
    described = partial.with_suffix(".json")
    described.write_text(json.dumps(record), "utf-8")
    # The archive first: without its record it counts as absent.
    partial.replace(target)
    described.replace(target.with_suffix(".json"))
    return BuiltImage(name, target, digest)


def forget_old(name: str, newest: Path) -> None:
    """Remove archives of earlier inputs, but for the last one: going back and forth between two branches is usual."""
    tags = re.compile(rf"{re.escape(name)}-[0-9a-f]{{12}}\.oci\.tar")
    earlier = [path for path in newest.parent.iterdir() if tags.fullmatch(path.name) and path != newest]
    for path in sorted(earlier, key=lambda found: found.stat().st_mtime)[:-1]:
        path.with_suffix(".json").unlink(missing_ok=True)
        path.unlink(missing_ok=True)
