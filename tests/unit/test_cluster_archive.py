"""The archive of single-program images: the same bytes each time, and what it says about itself."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from mldeploy.cluster import archive
from mldeploy.errors import MldeployError


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "tool"
    path.write_bytes(b"\x7fELF a program")
    path.chmod(0o700)
    return path


def test_the_same_program_gives_the_same_bytes(program: Path, tmp_path: Path) -> None:
    image = archive.Image("localhost/a", program, ("/tool",))
    archive.write(tmp_path / "one.tar", (image,))
    os.utime(program, (1, 1))
    archive.write(tmp_path / "two.tar", (image,))
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_another_program_gets_another_tag(program: Path, tmp_path: Path) -> None:
    image = archive.Image("localhost/a", program, ("/tool",))
    archive.write(tmp_path / "one.tar", (image,))
    program.write_bytes(b"another")
    archive.write(tmp_path / "two.tar", (image,))
    one, two = archive.contents(tmp_path / "one.tar"), archive.contents(tmp_path / "two.tar")
    assert one.keys().isdisjoint(two.keys())


def test_layers_and_digests_agree(program: Path, tmp_path: Path) -> None:
    import hashlib

    path = tmp_path / "images.tar"
    archive.write(path, (archive.Image("localhost/a", program, ("/tool", "-x")),))
    with tarfile.open(path) as tar:
        blobs = {
            m.name.rpartition("/")[2]: (tar.extractfile(m) or io.BytesIO()).read() for m in tar if "blobs" in m.name
        }
    assert all(hashlib.sha256(content).hexdigest() == name for name, content in blobs.items())
    [digest] = archive.contents(path).values()
    manifest = json.loads(blobs[digest.partition(":")[2]])
    config = json.loads(blobs[manifest["config"]["digest"].partition(":")[2]])
    assert config["config"]["Entrypoint"] == ["/tool", "-x"]
    assert config["config"]["User"] == "65532:65532"
    assert config["rootfs"]["diff_ids"] == [manifest["layers"][0]["digest"]]
    content = blobs[manifest["layers"][0]["digest"].partition(":")[2]]
    with tarfile.open(fileobj=io.BytesIO(content)) as layer:
        modes = {member.name: oct(member.mode) for member in layer}
    assert modes == {"tmp": "0o1777", "tool": "0o755"}


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        archive.write(tmp_path / "out" / "a.tar", (archive.Image("localhost/a", tmp_path / "absent", ("/a",)),))
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"not a tar at all" * 100], ids=["empty", "text"])
def test_a_file_that_is_no_archive_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.tar"
    path.write_bytes(content)
    with pytest.raises(MldeployError, match=r"bad\.tar: not an image archive"):
        archive.contents(path)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MldeployError, match=r"absent\.tar: not an image archive"):
        archive.contents(tmp_path / "absent.tar")
