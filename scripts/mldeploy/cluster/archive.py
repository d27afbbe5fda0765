"""Writes an OCI archive of images that are one static binary each: the same bytes for the same binaries."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mldeploy.errors import MldeployError

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Image:
    """An image to write.

    Attributes:
        repository: its reference without the tag.
        program: the static binary.
        entrypoint: how it is started; the program is `/<its file name>`.
    """

    repository: str
    program: Path
    entrypoint: tuple[str, ...]


def write(path: Path, images: tuple[Image, ...]) -> None:
    """Write all `images` into the archive `path`, whole or not at all; each one's tag is its content's hash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}")
    try:
        with tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as archive:
            _add(archive, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
            manifests = [_image(archive, image) for image in images]
            index = {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.index.v1+json",
                "manifests": manifests,
            }
            _add(archive, "index.json", _json(index))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def contents(path: Path) -> dict[str, str]:
    """Give the digest of each image that an OCI archive names, by reference.

    Returns:
        Nothing for an archive of another format, or without names.

    Raises:
        MldeployError: the file is missing, or no tar archive.
    """
    try:
        with tarfile.open(path) as archive:
            member = archive.extractfile("index.json")
            index = json.loads(member.read()) if member else {}
    except KeyError:
        return {}
    except (OSError, tarfile.TarError, ValueError) as error:
        raise MldeployError(
            f"{path}: not an image archive ({error})", remedy="build one with mldeploy image build"
        ) from error
    return {
        name: manifest["digest"]
        for manifest in index.get("manifests", [])
        if (name := manifest.get("annotations", {}).get("io.containerd.image.name"))
        or (name := manifest.get("annotations", {}).get("org.opencontainers.image.ref.name"))
    }


def _image(archive: tarfile.TarFile, image: Image) -> dict[str, Any]:
    layer = _layer(image.program)
    layer_digest = _add_blob(archive, layer)
    config = _json(
        {
            "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "config": {"Entrypoint": list(image.entrypoint), "User": "65532:65532", "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": _descriptor("config.v1+json", _add_blob(archive, config), len(config)),
            "layers": [_descriptor("layer.v1.tar", layer_digest, len(layer))],
        }
    )
    digest = _add_blob(archive, manifest)
    reference = f"{image.repository}:{digest.partition(':')[2][:12]}"
    return {
        **_descriptor("manifest.v1+json", digest, len(manifest)),
        "annotations": {"io.containerd.image.name": reference},
    }


def _layer(program: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as layer:
        folder = tarfile.TarInfo("tmp")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
        layer.addfile(folder)
        entry = tarfile.TarInfo(program.name)
        entry.size, entry.mode = program.stat().st_size, 0o755
        with program.open("rb") as file:
            layer.addfile(entry, file)
    return buffer.getvalue()


def _add_blob(archive: tarfile.TarFile, content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()
    _add(archive, f"blobs/sha256/{digest}", content)
    return f"sha256:{digest}"


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o644
    archive.addfile(entry, io.BytesIO(content))


def _descriptor(kind: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": digest, "size": size}


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
