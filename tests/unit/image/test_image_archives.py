"""Archives: the same content is the same bytes, and a damaged one is not used."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from mldeploy.image import BuiltImage, cached, reference
from mldeploy.image.oci import archive_again, archive_folder, write_one_layer

ROOT = Path(__file__).parents[3]
NAME = "localhost/mldeploy/x:1"


def layer(names: list[str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    return out.getvalue()


def read(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        members = archive.getmembers()
        assert [m.name for m in members] == sorted(m.name for m in members)
        assert {(m.mtime, m.uid, m.gid) for m in members} == {(0, 0, 0)}
        return {m.name: (archive.extractfile(m) or io.BytesIO()).read() for m in members}


def check(files: dict[str, bytes]) -> dict[str, Any]:
    """Follow the image from its index to its layers, every digest and size included; give the manifest's descriptor."""
    (descriptor,) = json.loads(files["index.json"])["manifests"]
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}

    def blob(of: dict[str, Any]) -> bytes:
        content = files["blobs/sha256/" + of["digest"].removeprefix("sha256:")]
        assert "sha256:" + hashlib.sha256(content).hexdigest() == of["digest"]
        assert len(content) == of["size"]
        return content

    manifest = json.loads(blob(descriptor))
    config = json.loads(blob(manifest["config"]))
    digests = ["sha256:" + hashlib.sha256(blob(found)).hexdigest() for found in manifest["layers"]]
    assert config["rootfs"]["diff_ids"] == digests
    assert len(files) == 4 + len(digests)
    return dict(descriptor)


def test_a_base_is_a_whole_image_and_the_same_each_time(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_one_layer(tmp_path / name, layer(["bin/x"]))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    check(read(tmp_path / "one"))


def test_what_a_builder_made_is_written_again_under_its_name(tmp_path: Path) -> None:
    write_one_layer(tmp_path / "base", layer(["bin/x"]))
    files = read(tmp_path / "base")
    with tarfile.open(tmp_path / "saved", "w") as saved:
        # As `docker save` writes it: other times, another order, things of its own beside.
        for number, name in enumerate(sorted(files, reverse=True)):
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(files[name]), number
            saved.addfile(info, io.BytesIO(files[name]))
        saved.addfile(tarfile.TarInfo("repositories"))
    digest = archive_again(tmp_path / "saved", tmp_path / "again", NAME)
    descriptor = check(read(tmp_path / "again"))
    assert descriptor["digest"] == digest
    assert set(descriptor["annotations"].values()) == {NAME}

    folder = tmp_path / "folder"
    folder.mkdir()
    for name, content in files.items():
        if name.startswith("blobs/"):
            blob = Path(name).name
            (folder / ("manifest.json" if f"sha256:{blob}" == digest else blob)).write_bytes(content)
    (folder / "version").write_text("Directory Transport Version: 1.1\n", "utf-8")
    assert archive_folder(folder, tmp_path / "third", NAME) == digest
    assert (tmp_path / "third").read_bytes() == (tmp_path / "again").read_bytes()


def in_cache() -> dict[str, BuiltImage | None]:
    return dict(cached(ROOT))


def test_only_an_archive_that_is_as_it_was_written_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    name = reference(ROOT, "redis")
    assert in_cache()[name] is None
    images = tmp_path / "mldeploy" / "images"
    images.mkdir(parents=True)
    archive = images / f"redis-{name.rpartition(':')[2]}.oci.tar"
    record = archive.with_suffix(".json")
    archive.write_bytes(b"archive")
    good = {"reference": name, "digest": "sha256:0", "sha256": hashlib.sha256(b"archive").hexdigest()}
    record.write_text(json.dumps(good), "utf-8")
    assert in_cache()[name] == BuiltImage(name, archive, "sha256:0")
    for broken in (json.dumps(good | {"reference": "localhost/mldeploy/redis:other"}), "{", "[]", '{"sha256": 1}', ""):
        record.write_text(broken, "utf-8")
        assert in_cache()[name] is None
    record.write_text(json.dumps(good), "utf-8")
    archive.write_bytes(b"archivf")
    assert in_cache()[name] is None
