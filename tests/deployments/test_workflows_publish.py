"""Charts are packaged to the same bytes everywhere, and pushed once to a real registry (Debian's) on loopback."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mldeploy.errors import ExitCode, MldeployError, RefusedError
from mldeploy.publish import application_charts, package_charts, push_chart
from tests.deployments.charts_checkout import git, make_checkout
from tests.fixtures.registry import registry as docker_registry

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with this one's charts in its only commit."""
    return make_checkout(tmp_path / "checkout")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """An empty registry on a free port of 127.0.0.1."""
    with docker_registry(tmp_path) as address:
        yield address


def manifest(address: str, repository: str, version: str) -> tuple[str, dict[str, Any]]:
    request = urllib.request.Request(
        f"http://{address}/v2/{repository}/manifests/{version}",
        headers={"Accept": "application/vnd.oci.image.manifest.v1+json"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 - loopback
        raw = response.read()
    return f"sha256:{hashlib.sha256(raw).hexdigest()}", json.loads(raw)


def test_two_machines_make_the_same_bytes(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = package_charts(checkout, tmp_path / "first")
    # Another clone, made later, in another time zone, with another file mode mask.
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    before = os.umask(0o077)
    try:
        git(tmp_path, "clone", "--quiet", str(checkout), "clone")
        second = package_charts(tmp_path / "clone", tmp_path / "second")
    finally:
        os.umask(before)
    assert [made.name for made in first] == application_charts(ROOT) == ["ml-api", "ml-batch"]
    for one, other in zip(first, second, strict=True):
        assert one.archive.read_bytes() == other.archive.read_bytes()
        assert one.sbom.read_bytes() == other.sbom.read_bytes()


def test_the_package_is_whole_and_holds_the_library_once(checkout: Path, tmp_path: Path) -> None:
    (checkout / "charts" / "ml-api" / "untracked.yaml").write_text("not committed")
    with pytest.raises(MldeployError, match=r"charts/ml-api/untracked\.yaml: changed, but not committed"):
        package_charts(checkout, tmp_path / "out")
    (checkout / "charts" / "ml-api" / "untracked.yaml").unlink()
    made = package_charts(checkout, tmp_path / "out")[0]
    with tarfile.open(made.archive) as archive:
        names = archive.getnames()
        # helm gives Chart.lock the time that is written in it.
        stamps = {member.mtime for member in archive.getmembers() if not member.name.endswith("Chart.lock")}
        assert stamps == {1767323045}
        assert all(member.isfile() for member in archive.getmembers())
    assert names.count("ml-api/charts/ml-common/Chart.yaml") == 1
    assert not [name for name in names if name.endswith(".tgz")]
    assert "ml-api/values.yaml" in names


def test_the_sbom_names_everything(checkout: Path, tmp_path: Path) -> None:
    made = package_charts(checkout, tmp_path / "out")[0]
    bill = json.loads(made.sbom.read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": made.sha256}]
    assert bill["metadata"]["timestamp"] == "2026-01-02T03:04:05Z"
    by_name = {component["name"]: component for component in bill["components"]}
    assert by_name["ml-common"]["purl"].startswith("pkg:helm/ml-common@")
    with tarfile.open(made.archive) as archive:
        files = [member.name.removeprefix("ml-api/") for member in archive.getmembers()]
        content = archive.extractfile("ml-api/values.yaml")
        assert content
        assert by_name["values.yaml"]["hashes"][0]["content"] == hashlib.sha256(content.read()).hexdigest()
    assert [name for name, component in by_name.items() if component["type"] == "file"] == sorted(files)
    assert any(component["type"] == "container" for component in bill["components"])
    references = [component["bom-ref"] for component in (bill["metadata"]["component"], *bill["components"])]
    assert len(references) == len(set(references))


def test_a_push_is_repeatable_and_a_version_never_changes(checkout: Path, tmp_path: Path, registry: str) -> None:
    made = package_charts(checkout, tmp_path / "out")[0]
    target = f"oci://{registry}/acme/charts"
    pushed = push_chart("ml-api", tmp_path / "out", target, plain_http=True)
    digest, stored = manifest(registry, "acme/charts/ml-api", made.version)
    assert (pushed.new, pushed.digest, pushed.sbom) == (True, digest, made.sbom)
    assert stored["layers"][0]["digest"] == f"sha256:{made.sha256}"
    assert stored["annotations"]["org.opencontainers.image.created"] == "2026-01-02T03:04:05Z"
    again = push_chart("ml-api", tmp_path / "out", target, plain_http=True)
    assert (again.new, again.digest) == (False, digest)
    # The same version with other content.
    (checkout / "charts" / "ml-api" / "README.md").write_text("changed")
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "--message", "change", when="2026-02-02T03:04:05+00:00")
    package_charts(checkout, tmp_path / "out")
    with pytest.raises(RefusedError, match="other content") as caught:
        push_chart("ml-api", tmp_path / "out", target, plain_http=True)
    assert caught.value.exit_code == ExitCode.REFUSED
    assert manifest(registry, "acme/charts/ml-api", made.version)[0] == digest


def test_an_empty_registry_gets_the_same_digest_again(checkout: Path, tmp_path: Path, registry: str) -> None:
    package_charts(checkout, tmp_path / "out")
    one = push_chart("ml-batch", tmp_path / "out", f"oci://{registry}/one", plain_http=True)
    # As after a download: the file is as new as that.
    next((tmp_path / "out").glob("ml-batch-*.tgz")).touch()
    other = push_chart("ml-batch", tmp_path / "out", f"oci://{registry}/other", plain_http=True)
    assert one.digest == other.digest


def test_bad_input(checkout: Path, tmp_path: Path) -> None:
    with pytest.raises(MldeployError, match="not an OCI registry"):
        push_chart("ml-api", tmp_path, "https://registry.example")
    with pytest.raises(MldeployError, match="0 packages of ml-api"):
        push_chart("ml-api", tmp_path, "oci://registry.example/x")
    package_charts(checkout, tmp_path / "out")
    with pytest.raises(MldeployError, match=r"refused|connect"):
        push_chart("ml-api", tmp_path / "out", "oci://127.0.0.1:1/x", plain_http=True)
