"""Builds an image when its inputs changed, and gives it from the cache when they did not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from mldeploy.errors import MldeployError
from mldeploy.image import builder, store
from mldeploy.image.recipes import RECIPES, Recipe, input_files, recipe
from mldeploy.image.reference import content_hash, reference
from mldeploy.image.scratch import scratch_folder
from mldeploy.image.store import BuiltImage
from mldeploy.image.wheels import fetch
from mldeploy.process import ProcessError
from mldeploy.progress import Progress

_NEEDED_BYTES = 2_000_000_000


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
    target = store.folder() / f"{name}-{content_hash(root, wanted)}.oci.tar"
    found = store.find(target, reference(root, name))
    if found is None:
        with store.locked(store.folder() / f"{name}.lock", progress):
            # Whoever held the lock may have built it meanwhile.
            found = store.find(target, reference(root, name)) or _build(root, wanted, target, progress)
    return found


def cached(root: Path) -> Iterator[tuple[str, BuiltImage | None]]:
    """List every image's reference with what is in the cache for it."""
    for name, wanted in RECIPES.items():
        tag = content_hash(root, wanted)
        yield reference(root, name), store.find(store.folder() / f"{name}-{tag}.oci.tar", reference(root, name))


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
        built = store.keep(partial, target, name, digest)
    store.forget_old(wanted.name, target)
    return built


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


def _remedy(error: ProcessError) -> str:
    output = error.stdout + error.stderr
    if "no space left" in output.lower():
        return "free some space, or set XDG_CACHE_HOME to a folder on a larger disk"
    return "if a source file is at fault, correct it; otherwise mldeploy doctor tells what this machine lacks"
