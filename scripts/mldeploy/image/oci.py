"""OCI image archives: written and rewritten here so that the same content is the same bytes."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_LAYOUT = b'{"imageLayoutVersion": "1.0.0"}'
_EPOCH = "1970-01-01T00:00:00Z"


@dataclass(frozen=True)
class Blob:
    """A content-addressed file of an image."""

    content: bytes
    media_type: str

    @property
    def digest(self) -> str:
        """Give its digest, `sha256:...`."""
        return "sha256:" + hashlib.sha256(self.content).hexdigest()

    def descriptor(self, **more: Any) -> dict[str, Any]:
        """Describe it, as manifests and indexes do."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.content), **more}


@dataclass(frozen=True)
class FileBlob:
    """A content-addressed file of an image that is too large to be held in memory."""

    path: Path
    media_type: str

    @cached_property
    def digest(self) -> str:
        """Give its digest, `sha256:...`."""
        with self.path.open("rb") as stream:
            return "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()

    def descriptor(self) -> dict[str, Any]:
        """Describe it, as manifests do."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.path.stat().st_size}


def write_one_layer(target: Path, layer: bytes) -> None:
    """Write an image for linux/amd64 of one layer (an uncompressed tar) and no configuration: a base for others."""
    root = Blob(layer, _LAYER)
    config = _json(
        {
            "created": _EPOCH,
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [root.digest]},
        },
        _CONFIG,
    )
    about = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": config.descriptor(), "layers": [root.descriptor()]}
    manifest = _json(about, _MANIFEST)
    _write(target, manifest.descriptor(), [root, config, manifest])


def write_on_base(target: Path, base: Path, layer: Path, run: dict[str, Any], reference: str) -> str:
    """Write an image of two layers: that of an archive of `write_one_layer`, and another one on it.

    Args:
        target: the archive to write.
        base: the archive below.
        layer: an uncompressed tar.
        run: how the image is run: `Entrypoint`, `User`, ... of an OCI configuration.
        reference: the image's name.

    Returns:
        The digest of the image's manifest.
    """
    with tarfile.open(base) as archive:
        described = json.load(_member(archive, "index.json"))["manifests"][0]["digest"]
        below = json.load(_member(archive, _blob(described)))
        defaults = json.load(_member(archive, _blob(below["config"]["digest"])))
        root = Blob(_member(archive, _blob(below["layers"][0]["digest"])).read(), _LAYER)
    own = FileBlob(layer, _LAYER)
    config = _json(
        {
            "created": _EPOCH,
            "architecture": defaults["architecture"],
            "os": defaults["os"],
            "config": {**defaults["config"], **run},
            "rootfs": {"type": "layers", "diff_ids": [root.digest, own.digest]},
        },
        _CONFIG,
    )
    layers = [root.descriptor(), own.descriptor()]
    about = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": config.descriptor(), "layers": layers}
    manifest = _json(about, _MANIFEST)
    return _archive(target, manifest.descriptor(), [root, own, config, manifest], reference)


def archive_folder(source: Path, target: Path, reference: str) -> str:
    """Write the archive of an image that lies in a folder (`dir:` of buildah and skopeo), its layers as they are.

    Returns:
        The digest of the image's manifest.
    """
    content = (source / "manifest.json").read_bytes()
    manifest = Blob(content, json.loads(content)["mediaType"])
    blobs = [Blob(path.read_bytes(), "") for path in sorted(source.iterdir()) if len(path.name) == 64]
    return _archive(target, manifest.descriptor(), [manifest, *blobs], reference)


def archive_again(source: Path, target: Path, reference: str) -> str:
    """Write an OCI archive that a builder made (`docker save`) again: sorted, without times, its blobs as they are.

    Returns:
        The digest of the image's manifest.
    """
    with tarfile.open(source) as archive:
        descriptor = json.load(_member(archive, "index.json"))["manifests"][0]
        names = [m.name for m in archive.getmembers() if m.isfile() and "blobs/sha256/" in m.name]
        blobs = [Blob(_member(archive, name).read(), "") for name in sorted(names)]
    return _archive(target, {key: descriptor[key] for key in ("mediaType", "digest", "size")}, blobs, reference)


def _archive(target: Path, descriptor: dict[str, Any], blobs: Iterable[Blob | FileBlob], reference: str) -> str:
    # containerd reads the first of them, other tools the second.
    names = {"io.containerd.image.name": reference, "org.opencontainers.image.ref.name": reference}
    _write(target, {**descriptor, "annotations": names}, blobs)
    return str(descriptor["digest"])


def _json(value: Any, media_type: str) -> Blob:
    return Blob(json.dumps(value, sort_keys=True, separators=(",", ":")).encode(), media_type)


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    found = archive.extractfile(name)
    if found is None:
        raise KeyError(name)
    return found


def _write(target: Path, descriptor: dict[str, Any], blobs: Iterable[Blob | FileBlob]) -> None:
    index = _json({"schemaVersion": 2, "mediaType": _INDEX, "manifests": [descriptor]}, _INDEX)
    files = {_blob(blob.digest): blob.path if isinstance(blob, FileBlob) else blob.content for blob in blobs}
    files |= {"index.json": index.content, "oci-layout": _LAYOUT}
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in sorted(files.items()):
            info = tarfile.TarInfo(name)
            info.mode = 0o644
            with content.open("rb") if isinstance(content, Path) else io.BytesIO(content) as stream:
                info.size = stream.seek(0, io.SEEK_END)
                stream.seek(0)
                archive.addfile(info, stream)


def _blob(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"
