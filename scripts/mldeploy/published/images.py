"""Images of pinned programs and nothing else, at the version that the publisher's own images have."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mldeploy import paths
from mldeploy.cluster import archive
from mldeploy.progress import Progress
from mldeploy.published.sources import source
from mldeploy.toolchain import tool

_REPOSITORY = "localhost/mldeploy"


@dataclass(frozen=True)
class BuiltImages:
    """Images that are in the cache.

    Attributes:
        references: each program's image, by the program's name.
        archive: the OCI archive that all of them are in.
    """

    references: dict[str, str]
    archive: Path


def build(name: str, progress: Progress) -> BuiltImages:
    """Give the images of one source, from the cache if they are there.

    Args:
        name: the source, such as `external-secrets`.
        progress: told when an archive is written.

    Raises:
        MldeployError: there is no such source, or a program of it is not installed.
    """
    return of_programs(name, source(name).programs, progress)


def of_programs(name: str, programs: Sequence[str], progress: Progress) -> BuiltImages:
    """Give an image of each program, all in one archive, from the cache if it is there.

    Args:
        name: what the archive is called.
        programs: their names in scripts/toolchain/tools.toml.
        progress: told when an archive is written.

    Raises:
        MldeployError: a program is not installed.
    """
    images = tuple(
        archive.Image(f"{_REPOSITORY}/{program}", path, (f"/{path.name}",))
        for program, path in ((program, tool(program)) for program in programs)
    )
    # A program's folder is named for all that it was built from.
    parts = [f"{image.program.parent.parent.name}{image.entrypoint}" for image in images]
    identity = "".join(parts).encode() + Path(archive.__file__).read_bytes()
    path = paths.cache() / "images" / f"{name}-{hashlib.sha256(identity).hexdigest()[:16]}.tar"
    if not path.is_file():
        with progress.step(f"Building image {name}", key=f"image-{name}"):
            archive.write(path, images)
    written = {reference.rpartition(":")[0]: reference for reference in archive.contents(path)}
    return BuiltImages({program: written[f"{_REPOSITORY}/{program}"] for program in programs}, path)
