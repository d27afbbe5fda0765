"""Images of pinned programs on a base of Debian packages: for those that call git, or another of its programs."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mldeploy.image import store
from mldeploy.image.base import make
from mldeploy.image.oci import write_on_base
from mldeploy.image.recipes import FORMAT, REPOSITORY, Base
from mldeploy.image.scratch import scratch_folder
from mldeploy.image.store import BuiltImage
from mldeploy.progress import Progress

_TAG_LENGTH = 12
_USER = "65532:65532"


@dataclass(frozen=True)
class Layered:
    """An image to build.

    Attributes:
        name: its name, after `localhost/mldeploy/`.
        base: what it stands on; always made of Debian's packages, with Docker too.
        programs: each program, by its path in the image.
        links: what each symbolic link points to, by its path in the image.
        entrypoint: what every container of it runs, before the command.
    """

    name: str
    base: Base
    programs: Mapping[str, Path]
    links: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()


def build_layered(image: Layered, progress: Progress) -> BuiltImage:
    """Give the image, built if it is not in the cache as it should be; its tag is the hash of what goes in.

    Raises:
        MldeployError: the base cannot be made (`image.base.make`).
    """
    base = make(image.base, progress)
    tag = _identity(image, base)
    reference = f"{REPOSITORY}/{image.name}:{tag}"
    target = store.folder() / f"{image.name}-{tag}.oci.tar"
    found = store.find(target, reference)
    if found is not None:
        return found
    with store.locked(store.folder() / f"{image.name}.lock", progress):
        found = store.find(target, reference)
        if found is None:
            with (
                progress.step(f"Building image {image.name}", key=f"image-{image.name}"),
                scratch_folder(target.parent) as scratch,
            ):
                layer, partial = scratch / "layer.tar", scratch / "image.tar"
                _write_layer(layer, image)
                run = {"Entrypoint": list(image.entrypoint), "User": _USER, "WorkingDir": "/tmp"}  # noqa: S108
                found = store.keep(partial, target, reference, write_on_base(partial, base, layer, run, reference))
            store.forget_old(image.name, target)
    return found


def _identity(image: Layered, base: Path) -> str:
    # The base's archive is named for what it is made of.
    about = [FORMAT, base.name, _USER, list(image.entrypoint), sorted(image.links.items())]
    digest = hashlib.sha256(json.dumps(about).encode())
    for path, program in sorted(image.programs.items()):
        with program.open("rb") as stream:
            digest.update(f"\n{path}\0{hashlib.file_digest(stream, 'sha256').hexdigest()}".encode())
    return digest.hexdigest()[:_TAG_LENGTH]


def _write_layer(target: Path, image: Layered) -> None:
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as layer:
        for path in sorted([*image.programs, *image.links]):
            entry = tarfile.TarInfo(path.lstrip("/"))
            if path in image.links:
                entry.type, entry.mode, entry.linkname = tarfile.SYMTYPE, 0o777, image.links[path]
                layer.addfile(entry, io.BytesIO())
                continue
            entry.size, entry.mode = image.programs[path].stat().st_size, 0o755
            with image.programs[path].open("rb") as stream:
                layer.addfile(entry, stream)
