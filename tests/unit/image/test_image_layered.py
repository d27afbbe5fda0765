"""Programs on a base: the layers and the configuration that come out, the tag that says what went in, and the cache."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from mldeploy.image import Layered, build_layered, layered
from mldeploy.image.oci import write_one_layer
from mldeploy.image.recipes import Base
from mldeploy.progress import Quiet

BASE = Base(packages=("git",), keep=(), drop=(), docker="")


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program to put onto a base that needs no Debian; the cache is the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    base = tmp_path / "base-0123.oci.tar"
    below = io.BytesIO()
    with tarfile.open(fileobj=below, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("below"))
    write_one_layer(base, below.getvalue())
    monkeypatch.setattr(layered, "make", lambda _base, _progress: base)
    path = tmp_path / "tool"
    path.write_bytes(b"program")
    return path


def image(program: Path, **more: Any) -> Layered:
    return Layered("thing", BASE, {"usr/local/bin/thing": program}, **more)


def contents(path: Path) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, tarfile.TarInfo]]]:
    """Give an archive's index entry, its configuration and its layers' members; every digest is checked."""
    with tarfile.open(path) as archive:
        files = {member.name: archive.extractfile(member).read() for member in archive.getmembers()}  # type: ignore[union-attr]
    for name, content in files.items():
        if name.startswith("blobs/"):
            assert name.endswith(hashlib.sha256(content).hexdigest())

    def blob(descriptor: dict[str, Any]) -> bytes:
        assert descriptor["size"] == len(files[f"blobs/sha256/{descriptor['digest'].partition(':')[2]}"])
        return files[f"blobs/sha256/{descriptor['digest'].partition(':')[2]}"]

    (entry,) = json.loads(files["index.json"])["manifests"]
    manifest = json.loads(blob(entry))
    config = json.loads(blob(manifest["config"]))
    assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in manifest["layers"]]
    layers = []
    for layer in manifest["layers"]:
        with tarfile.open(fileobj=io.BytesIO(blob(layer))) as tar:
            layers.append({member.name: member for member in tar.getmembers()})
    return entry, config, layers


def test_programs_and_links_lie_on_the_base(program: Path) -> None:
    built = build_layered(image(program, links={"usr/local/bin/other": "thing"}, entrypoint=("/init", "--")), Quiet())
    entry, config, (below, own) = contents(built.archive)
    assert entry["digest"] == built.digest
    assert entry["annotations"]["io.containerd.image.name"] == built.reference
    assert set(below) == {"below"}
    assert (own["usr/local/bin/thing"].mode, own["usr/local/bin/thing"].uid) == (0o755, 0)
    assert own["usr/local/bin/other"].linkname == "thing"
    assert config["config"]["Entrypoint"] == ["/init", "--"]
    assert config["config"]["User"] == "65532:65532"
    assert any(word.startswith("PATH=") for word in config["config"]["Env"])


def test_the_same_content_is_built_once_and_is_the_same_bytes(program: Path) -> None:
    first = build_layered(image(program), Quiet())
    content, made = first.archive.read_bytes(), first.archive.stat().st_ino
    assert build_layered(image(program), Quiet()) == first
    assert first.archive.stat().st_ino == made
    first.archive.unlink()
    assert build_layered(image(program), Quiet()).archive.read_bytes() == content


def test_a_damaged_archive_is_built_again(program: Path) -> None:
    built = build_layered(image(program), Quiet())
    content = built.archive.read_bytes()
    built.archive.write_bytes(content[:-1])
    assert build_layered(image(program), Quiet()).archive.read_bytes() == content


def test_the_tag_changes_with_all_that_goes_in(program: Path) -> None:
    tags = {
        build_layered(image(program), Quiet()).reference,
        build_layered(image(program, links={"usr/local/bin/other": "thing"}), Quiet()).reference,
        build_layered(image(program, entrypoint=("/init",)), Quiet()).reference,
    }
    program.write_bytes(b"another")
    tags.add(build_layered(image(program), Quiet()).reference)
    assert len(tags) == 4
