"""Real images by buildah, as root: what is in them, that they run as pods run them, and that they reach a registry."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from mldeploy import process
from mldeploy.errors import MldeployError
from mldeploy.image import BuiltImage, build, builder, push
from mldeploy.image.push import Destination
from mldeploy.progress import Quiet
from tests.fixtures.registry import registry as docker_registry
from tests.unit.service.collector import collector
from tests.unit.service.support import DIGITS, wait_for

ROOT = Path(__file__).parents[2]
# bcrypt of "right".
HTPASSWD = "ci:$2b$04$dwHmj.qxslvJghChYdxsreBXh3RpOxn7Otb4T8RmqG41t/uwXZuYO\n"


@pytest.fixture(scope="module")
def service() -> BuiltImage:
    return build(ROOT, "ml-service", Quiet())


@pytest.fixture(scope="module")
def root_fs(service: BuiltImage, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image's file system, unpacked layer by layer."""
    folder = tmp_path_factory.mktemp("image")
    unpack(service, folder / "fs")
    return folder / "fs"


def config(image: BuiltImage) -> dict[str, object]:
    with tarfile.open(image.archive) as archive:
        return dict(json.loads(blob(archive, manifest(archive, image)["config"]["digest"]))["config"])


def manifest(archive: tarfile.TarFile, image: BuiltImage) -> dict[str, dict[str, str]]:
    return dict(json.loads(blob(archive, image.digest)))


def blob(archive: tarfile.TarFile, digest: str) -> bytes:
    found = archive.extractfile("blobs/sha256/" + digest.removeprefix("sha256:"))
    assert found
    return found.read()


def unpack(image: BuiltImage, folder: Path) -> None:
    folder.mkdir()
    with tarfile.open(image.archive) as archive:
        for layer in manifest(archive, image)["layers"]:
            content = folder.with_suffix(".layer")
            content.write_bytes(blob(archive, layer["digest"]))  # type: ignore[index]
            process.run(["tar", "--extract", "--file", content, "--directory", folder], timeout_s=120)


def inside(fs: Path, *words: str, **settings: str) -> list[process.Argument]:
    """The command that runs `words` as a pod would: the image's user, its file system read-only, an empty /tmp."""
    script = (
        'set -e; mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"; mount -t proc proc "$1/proc"; '
        'mount -t tmpfs -o mode=1777 tmpfs "$1/tmp"; cd "$1/app" 2>/dev/null || cd "$1"; shift; '
        'exec env -i "$@"'
    )
    environment = [f"{name}={value}" for name, value in settings.items()]
    chroot = ["/usr/sbin/chroot", "--userspec=65532:65532", str(fs)]
    namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]
    return [*namespaces, "sh", "-c", script, "sh", str(fs), *environment, *chroot, *words]


def test_it_is_what_pods_need(service: BuiltImage) -> None:
    found = config(service)
    assert found["User"] == "65532:65532"
    assert found["Entrypoint"] == ["python3", "-m", "ml_service"]
    assert found["Cmd"] == ["api"]
    assert found["ExposedPorts"] == {"8000/tcp": {}, "9090/tcp": {}}
    assert service.archive.stat().st_size < 180_000_000


def test_there_is_nothing_in_it_that_the_service_does_not_need(root_fs: Path) -> None:
    files = {str(path.relative_to(root_fs)) for path in root_fs.rglob("*") if path.is_file() or path.is_symlink()}
    programs = {name for name in files if re.match(r"(usr/)?s?bin/", name)}
    assert programs == {"usr/bin/python3", "usr/bin/python3.11"}
    assert not [name for name in files if re.search(r"sklearn|/scipy/|skl2onnx|/pip/|/tests?/|\.pyi$|\.whl$", name)]
    assert "app/model/digits.onnx" in files
    assert "etc/ssl/certs/ca-certificates.crt" in files
    assert not [path for path in root_fs.rglob("*") if path.is_file() and path.stat().st_mode & 0o6000]


def test_it_answers_as_a_pod_runs_it(service: BuiltImage, root_fs: Path) -> None:
    """Read-only, without privileges, with the image's own entry point; only the port differs, and that it is traced."""
    found = config(service)
    words = [*found["Entrypoint"], *found["Cmd"]]  # type: ignore[misc]
    image_environment = dict(entry.split("=", 1) for entry in found["Env"])  # type: ignore[attr-defined]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = image_environment | {"ML_PORT": str(port), "ML_HOST": "127.0.0.1", "ML_DRAIN_DELAY_S": "0"}
    with collector() as taken:
        settings |= {"OTEL_EXPORTER_OTLP_ENDPOINT": taken.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "50"}
        child = process.start(inside(root_fs, *words, **settings))
        try:
            wait_for("the API", lambda: answers(f"http://127.0.0.1:{port}/readyz"))
            body = {"images": list(DIGITS.values())}
            content = httpx2.post(f"http://127.0.0.1:{port}/v1/predict", json=body, timeout=10).json()
            assert [prediction["digit"] for prediction in content["predictions"]] == list(DIGITS)
            assert taken.span("POST /v1/predict").attributes["http.response.status_code"] == 200
        finally:
            process.terminate(child)


def answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=5).status_code == 200
    except httpx2.TransportError:
        return False


def test_nothing_in_it_is_compiled_at_start(root_fs: Path) -> None:
    sources = set((root_fs / "app" / "lib").rglob("*.py"))
    compiled = {path.parent.parent / f"{path.name.split('.')[0]}.py" for path in root_fs.rglob("*.cpython-311.pyc")}
    assert len(sources) > 500
    assert sources - compiled == set()


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # buildah is what is tried here, also where Docker runs.
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "mldeploy" / "images"


def test_built_twice_it_is_the_same_and_the_second_time_nothing_runs(
    own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build(ROOT, "redis", Quiet())
    content = first.archive.read_bytes()
    assert sorted(path.name for path in own_cache.iterdir() if path.name.startswith("work-")) == []
    with monkeypatch.context() as patch:
        patch.setenv("PATH", "/nowhere")
        assert build(ROOT, "redis", Quiet()) == first
    # Damaged in the cache: built again, to the same bytes.
    first.archive.write_bytes(content[:-1])
    assert build(ROOT, "redis", Quiet()) == first
    assert first.archive.read_bytes() == content
    fs = tmp_path / "fs"
    unpack(first, fs)
    done = process.run(inside(fs, "redis-server", "--version", PATH="/usr/bin"), timeout_s=30)
    assert "Redis server v=7" in done.stdout


def test_a_killed_build_is_repaired_by_the_next(own_cache: Path) -> None:
    environment = {"XDG_CACHE_HOME": str(own_cache.parents[1])}
    words = [sys.executable, "-m", "mldeploy.cli.main", "image", "build", "redis"]
    child = process.start(words, cwd=ROOT, env={**environment, "PYTHONPATH": str(ROOT / "scripts")})
    wait_for("the builder's storage", lambda: list(own_cache.glob("work-*/storage")), deadline_s=400)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait(30)
    assert list(own_cache.glob("work-*"))
    built = build(ROOT, "redis", Quiet())
    assert built.archive.is_file()
    assert list(own_cache.glob("work-*")) == []


def test_without_space_it_says_so_before_it_starts(own_cache: Path) -> None:
    own_cache.mkdir(parents=True)
    process.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", own_cache], timeout_s=10)
    try:
        with pytest.raises(MldeployError, match=r"0\.0 GB free, a build needs 2 GB; free some space"):
            build(ROOT, "redis", Quiet())
    finally:
        process.run(["umount", own_cache], timeout_s=10)


def test_without_a_network_it_says_so_and_leaves_nothing(own_cache: Path) -> None:
    words = ["unshare", "--net", sys.executable, "-m", "mldeploy.cli.main", "image", "build", "redis"]
    environment = {"XDG_CACHE_HOME": str(own_cache.parents[1]), "PYTHONPATH": str(ROOT / "scripts")}
    done = process.run(words, timeout_s=120, cwd=ROOT, env=environment, ok=(2,))
    assert "Debian's packages could not be fetched" in done.stderr
    assert "-> check the network" in done.stderr
    assert [path.name for path in own_cache.iterdir()] == ["redis.lock"]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """A registry on a free port of 127.0.0.1 that lets in only the user ci with the password "right"."""
    (tmp_path / "htpasswd").write_text(HTPASSWD, "utf-8")
    with docker_registry(tmp_path, auth={"htpasswd": {"realm": "test", "path": str(tmp_path / "htpasswd")}}) as address:
        yield address


def test_pushed_to_a_registry_it_is_there_under_its_digest(
    registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder, "find", builder.Buildah)
    destination = Destination(registry, "team/ml", "queue")
    monkeypatch.setenv("REGISTRY_USERNAME", "ci")
    monkeypatch.setenv("REGISTRY_PASSWORD", "canary-wrong")
    with pytest.raises(MldeployError, match="could not be pushed") as refused:
        push.push(ROOT, "redis", destination, None, Quiet())
    assert "check REGISTRY_USERNAME" in refused.value.remedy
    assert "canary" not in str(refused.value)

    monkeypatch.setenv("REGISTRY_PASSWORD", "right")
    pushed = push.push(ROOT, "redis", destination, None, Quiet())
    found = re.fullmatch(rf"{registry}/team/ml/queue:([0-9a-f]{{12}})@(sha256:[0-9a-f]{{64}})", pushed)
    assert found
    answer = httpx2.get(
        f"http://{registry}/v2/team/ml/queue/manifests/{found[1]}",
        headers={"Accept": "application/vnd.oci.image.manifest.v1+json"},
        auth=("ci", "right"),
        timeout=10,
    )
    assert answer.headers["Docker-Content-Digest"] == found[2]
    assert push.push(ROOT, "redis", destination, None, Quiet()) == pushed


def test_no_credentials_show_in_any_process(registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shim notes what buildah is started with, then is buildah."""
    shim = tmp_path / "bin" / "buildah"
    shim.parent.mkdir()
    real = shutil.which("buildah")
    shim.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/arguments\nexec {real} "$@"\n', "utf-8")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{shim.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(builder, "find", builder.Buildah)
    monkeypatch.setenv("REGISTRY_USERNAME", "ci")
    monkeypatch.setenv("REGISTRY_PASSWORD", "right")
    push.push(ROOT, "redis", Destination(registry, "p", "n"), None, Quiet())
    arguments = (tmp_path / "arguments").read_text("utf-8")
    assert "push" in arguments
    assert "right" not in arguments
    assert "Y2k6cmlnaHQ" not in arguments
