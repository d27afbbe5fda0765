"""Builds an image when its inputs changed, and gives it from the cache when they did not."""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mldeploy import paths
from mldeploy.errors import MldeployError
from mldeploy.image import builder
from mldeploy.image.recipes import RECIPES, Recipe, input_files, recipe
from mldeploy.image.reference import content_hash, reference
from mldeploy.image.scratch import scratch_folder
from mldeploy.image.wheels import fetch
from mldeploy.process import ProcessError
from mldeploy.progress import Progress

_NEEDED_BYTES = 2_000_000_000


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


def build(root: Path, name: str, progress: Progress) -> BuiltImage:
    """Give an image, built if it is not in the cache as it should be.

    Args:
        root: the checkout.
        name: the image, such as `ml-service`.
        progress: told what takes long.

    Raises:
        MldeployError: no such image, or this machine cannot build it; the message says what to do.
    """
    wanted = recipe(name)
    target = _folder() / f"{name}-{content_hash(root, wanted)}.oci.tar"
    found = _cached(target, reference(root, name))
    if found is None:
        with _locked(_folder() / f"{name}.lock", progress):
            # Whoever held the lock may have built it meanwhile.
            found = _cached(target, reference(root, name)) or _build(root, wanted, target, progress)
    return found


def cached(root: Path) -> Iterator[tuple[str, BuiltImage | None]]:
    """List every image's reference with what is in the cache for it."""
    for name, wanted in RECIPES.items():
        tag = content_hash(root, wanted)
        yield reference(root, name), _cached(_folder() / f"{name}-{tag}.oci.tar", reference(root, name))


def _folder() -> Path:
    return paths.cache() / "images"


def _cached(archive: Path, wanted: str) -> BuiltImage | None:
    try:
        record = json.loads(archive.with_suffix(".json").read_text("utf-8"))
        with archive.open("rb") as stream:
            same = hashlib.file_digest(stream, "sha256").hexdigest() == record["sha256"]
        return BuiltImage(wanted, archive, record["digest"]) if same and record["reference"] == wanted else None
    except (OSError, ValueError, KeyError, TypeError):
        # Missing, or not as it was written (a full disk, a hand in the cache): either way it is built again.
        return None


@contextmanager
def _locked(path: Path, progress: Progress) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with progress.step("Waiting for another build of the same image"):
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(root: Path, wanted: Recipe, target: Path, progress: Progress) -> BuiltImage:
    free = shutil.disk_usage(target.parent).free
    if free < _NEEDED_BYTES:
        raise MldeployError(
            f"{target.parent}: {free / 1e9:.1f} GB free, a build needs {_NEEDED_BYTES / 1e9:.0f} GB",
            remedy="free some space, or set XDG_CACHE_HOME to a folder on a larger disk",
        )
    name = reference(root, wanted.name)
    with scratch_folder(target.parent) as scratch:
        chosen = builder.find(scratch)
        base = chosen.base(wanted.base, progress)
        context = _context(root, wanted, scratch / "context", progress)
        partial = scratch / "image.tar"
        with progress.step(f"Building image {wanted.name}", key=f"image-{wanted.name}") as step:
            try:
                digest = chosen.build(context, base, name, partial, step)
            except ProcessError as error:
                raise MldeployError(
                    f"image {wanted.name} could not be built: {error}", remedy=_remedy(error)
                ) from error
        built = _keep(partial, target, name, digest)
    _forget_old(wanted.name, target)
    return built


def _forget_old(name: str, newest: Path) -> None:
    """Remove archives of earlier inputs, but for the last one: going back and forth between two branches is usual."""
    tags = re.compile(rf"{re.escape(name)}-[0-9a-f]{{12}}\.oci\.tar")
    earlier = [path for path in newest.parent.iterdir() if tags.fullmatch(path.name) and path != newest]
    for path in sorted(earlier, key=lambda found: found.stat().st_mtime)[:-1]:
        path.with_suffix(".json").unlink(missing_ok=True)
        path.unlink(missing_ok=True)


def _context(root: Path, wanted: Recipe, context: Path, progress: Progress) -> Path:
    """Copy the inputs, and only these, with modes and times that do not depend on the checkout."""
    source = root / wanted.folder
    for path in input_files(root, wanted):
        copy = context / path
        copy.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        copy.write_bytes((source / path).read_bytes())
        copy.chmod(0o644)
    if wanted.locks:
        shutil.copytree(fetch([source / lock for lock in wanted.locks], progress), context / "wheels")
    return context


def _keep(partial: Path, target: Path, name: str, digest: str) -> BuiltImage:
    with partial.open("rb") as stream:
        checksum = hashlib.file_digest(stream, "sha256").hexdigest()
    record = {"reference": name, "digest": digest, "sha256": checksum}
    described = partial.with_suffix(".json")
    described.write_text(json.dumps(record), "utf-8")
    # The archive first: without its record it counts as absent.
    partial.replace(target)
    described.replace(target.with_suffix(".json"))
    return BuiltImage(name, target, digest)


def _remedy(error: ProcessError) -> str:
    output = error.stdout + error.stderr
    if "no space left" in output.lower():
        return "free some space, or set XDG_CACHE_HOME to a folder on a larger disk"
    return "if a source file is at fault, correct it; otherwise mldeploy doctor tells what this machine lacks"
