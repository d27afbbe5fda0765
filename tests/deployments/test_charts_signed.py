"""Charts signed and attested with cosign in a real registry, and ten ways to tamper with them, each refused.

A tag's workflow signs without keys, with GitHub's token; here a key pair stands in for it, since that needs GitHub and
sigstore's services. What is verified (the digest, the bundle beside it, the statements in it) is the same.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mldeploy.process import Completed, ProcessError, run
from mldeploy.publish import Package, Pushed, package_charts, push_chart
from mldeploy.toolchain import tool
from tests.deployments.charts_checkout import make_checkout
from tests.fixtures.registry import registry

_PASSWORD = "canary-of-a-key"
_PROVENANCE = {"buildDefinition": {"buildType": "https://example.com/release"}, "runDetails": {"builder": {"id": "x"}}}
_SIGNATURE = "https://sigstore.dev/cosign/sign/v1"
_SBOM = "https://cyclonedx.org/bom"
_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True)
class Cosign:
    """cosign with a key pair of its own, and nothing of sigstore's services."""

    folder: Path

    def __call__(self, *words: str | Path) -> Completed:
        env = {"COSIGN_PASSWORD": _PASSWORD, "HOME": str(self.folder), "SIGSTORE_NO_CACHE": "1"}
        return run([tool("cosign"), *words], timeout_s=60, cwd=self.folder, env=env)

    def sign(self, reference: str) -> None:
        self("sign", *self._offline, reference)

    def attest(self, reference: str, kind: str, predicate: Path) -> None:
        self("attest", *self._offline, "--type", kind, "--predicate", predicate, reference)

    def verify(self, reference: str) -> None:
        self("verify", *_RELAXED, "--key", self.folder / "cosign.pub", reference)

    def attested(self, reference: str, kind: str) -> dict[str, Any]:
        """Verify an attestation; give its predicate."""
        words = ("verify-attestation", *_RELAXED, "--key", self.folder / "cosign.pub", "--type", kind, reference)
        envelope = json.loads(self(*words).stdout.splitlines()[0])
        predicate: dict[str, Any] = json.loads(base64.b64decode(envelope["payload"]))["predicate"]
        return predicate

    @property
    def _offline(self) -> tuple[str | Path, ...]:
        return "--yes", "--key", self.folder / "cosign.key", "--signing-config", self.folder / "none.json", _HTTP


_HTTP = "--allow-http-registry"
_RELAXED = ("--insecure-ignore-tlog", _HTTP)


def cosign(folder: Path) -> Cosign:
    folder.mkdir()
    made = Cosign(folder)
    made("generate-key-pair")
    made("signing-config", "create", "--out", "none.json")
    return made


@dataclass(frozen=True)
class Release:
    """ml-api, pushed, signed and attested.

    Attributes:
        address: of the registry.
        blobs: where it keeps what was pushed.
        package: ml-api's.
        pushed: what was pushed of ml-api.
        cosign: with the publisher's keys.
    """

    address: str
    blobs: Path
    package: Package
    pushed: Pushed
    cosign: Cosign

    @property
    def repository(self) -> str:
        return f"{self.address}/acme/charts/ml-api"

    @property
    def tag(self) -> str:
        return f"{self.repository}:{self.package.version}"

    @property
    def reference(self) -> str:
        return f"{self.repository}@{self.pushed.digest}"

    def blob(self, digest: str) -> Path:
        """Where the registry keeps one blob or manifest."""
        value = digest.removeprefix("sha256:")
        return self.blobs / "sha256" / value[:2] / value / "data"

    def manifest(self, reference: str) -> dict[str, Any]:
        """Get a manifest or an index by its tag or digest."""
        with self._ask("GET", f"manifests/{reference}", headers={"Accept": f"{_MANIFEST}, {_INDEX}"}) as response:
            found: dict[str, Any] = json.load(response)
        return found

    def put(self, document: dict[str, Any], tag: str = "") -> dict[str, Any]:
        """Put a manifest or an index, as whoever may write to the registry can; give its descriptor."""
        body, kind = json.dumps(document).encode(), document.get("mediaType", _MANIFEST)
        found = _descriptor(kind, body)
        with self._ask("PUT", f"manifests/{tag or found['digest']}", body, {"Content-Type": kind}):
            return found

    def upload(self, kind: str, body: bytes) -> dict[str, Any]:
        """Upload a blob; give its descriptor."""
        found = _descriptor(kind, body)
        with self._ask("POST", "blobs/uploads/", b"") as response:
            place = response.headers["Location"].partition("/v2/acme/charts/ml-api/")[2]
        with self._ask("PUT", f"{place}&digest={found['digest']}", body, {"Content-Type": "application/octet-stream"}):
            return found

    def bundles(self, digest: str) -> dict[str, dict[str, Any]]:
        """Give the manifests of what is said about a digest, by the type of what is said."""
        index = self.manifest(digest.replace(":", "-"))
        found = [self.manifest(each["digest"]) for each in index["manifests"]]
        return {each["annotations"]["dev.sigstore.bundle.predicateType"]: each for each in found}

    def say(self, digest: str, *bundles: dict[str, Any]) -> None:
        """Make bundles all that is said about a digest."""
        listed = [self.put(each) | {"artifactType": each["artifactType"]} for each in bundles]
        self.put({"schemaVersion": 2, "mediaType": _INDEX, "manifests": listed}, digest.replace(":", "-"))

    def _ask(self, method: str, place: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Any:
        address = f"http://{self.address}/v2/acme/charts/ml-api/{place}"
        return urllib.request.urlopen(urllib.request.Request(address, body, headers or {}, method=method), timeout=10)


def _descriptor(kind: str, body: bytes) -> dict[str, Any]:
    return {"mediaType": kind, "size": len(body), "digest": f"sha256:{hashlib.sha256(body).hexdigest()}"}


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Release, Path]]:
    """What a tag's workflow leaves, made once; and a copy of the registry's storage to begin each test with."""
    folder = tmp_path_factory.mktemp("signed")
    keys = cosign(folder / "keys")
    provenance = folder / "provenance.json"
    provenance.write_text(json.dumps(_PROVENANCE), "utf-8")
    package = package_charts(make_checkout(folder / "checkout"), folder / "dist")[0]
    with registry(folder) as address:
        target = f"oci://{address}/acme/charts"
        pushed = push_chart("ml-api", folder / "dist", target, plain_http=True)
        blobs = folder / "registry" / "docker" / "registry" / "v2" / "blobs"
        made = Release(address, blobs, package, pushed, keys)
        keys.sign(made.reference)
        keys.attest(made.reference, "cyclonedx", pushed.sbom)
        keys.attest(made.reference, "slsaprovenance1", provenance)
        clean = Path(shutil.copytree(folder / "registry", folder / "clean"))
        yield made, clean


@pytest.fixture
def release(signed: tuple[Release, Path]) -> Release:
    """The release as it was published, whatever an earlier test did to it."""
    made, clean = signed
    storage = made.blobs.parents[3]
    shutil.rmtree(storage)
    shutil.copytree(clean, storage)
    return made


def pull(release: Release, folder: Path) -> Path:
    """Pull the chart as its users do, by the digest that was verified."""
    run([tool("helm"), "pull", f"oci://{release.reference}", "--plain-http", "--destination", folder], timeout_s=60)
    return next(folder.glob("*.tgz"))


def test_what_was_published_is_verified(release: Release, tmp_path: Path) -> None:
    release.cosign.verify(release.tag)
    release.cosign.verify(release.reference)
    bill = json.loads(release.package.sbom.read_text("utf-8"))
    assert release.cosign.attested(release.reference, "cyclonedx")["components"] == bill["components"]
    assert release.cosign.attested(release.reference, "slsaprovenance1") == _PROVENANCE
    assert hashlib.sha256(pull(release, tmp_path).read_bytes()).hexdigest() == release.package.sha256


def _another(release: Release) -> str:
    """Move the tag to another package; here one that differs in an annotation, which is enough. Gives its digest."""
    changed = release.manifest(release.pushed.digest)
    changed["annotations"]["org.opencontainers.image.description"] = "not what was published"
    return str(release.put(changed, release.package.version)["digest"])


def _edited(release: Release, kind: str, edit: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Give a bundle's manifest with what is signed in it edited, and the signature as it was."""
    manifest = release.bundles(release.pushed.digest)[kind]
    bundle = json.loads(release.blob(manifest["layers"][0]["digest"]).read_bytes())
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    edit(statement)
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
    layer = release.upload(manifest["layers"][0]["mediaType"], json.dumps(bundle).encode())
    return {**manifest, "layers": [layer]}


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def unsigned_package(release: Release, scratch: Path) -> None:
    """The tag names a package that nobody signed."""
    _another(release)
    release.cosign.verify(release.tag)


def package_of_another_signer(release: Release, scratch: Path) -> None:
    """The tag names a package that somebody else signed."""
    cosign(scratch / "theirs").sign(f"{release.repository}@{_another(release)}")
    release.cosign.verify(release.tag)


def signature_removed(release: Release, scratch: Path) -> None:
    """Nothing is said about the package any more."""
    release.say(release.pushed.digest)
    release.cosign.verify(release.reference)


def signature_of_another_package(release: Release, scratch: Path) -> None:
    """The signature of the published package lies beside another one."""
    release.say(_another(release), *release.bundles(release.pushed.digest).values())
    release.cosign.verify(release.tag)


def signature_edited(release: Release, scratch: Path) -> None:
    """What was signed names another package now."""
    digest = _another(release)

    def name_it(statement: dict[str, Any]) -> None:
        statement["subject"][0]["digest"]["sha256"] = digest.removeprefix("sha256:")

    release.say(digest, _edited(release, _SIGNATURE, name_it))
    release.cosign.verify(release.tag)


def archive_altered(release: Release, scratch: Path) -> None:
    """One bit of the archive differs in the registry's storage."""
    _flip(release.blob(f"sha256:{release.package.sha256}"))
    pull(release, scratch)


def manifest_altered(release: Release, scratch: Path) -> None:
    """One bit of the manifest differs in the registry's storage."""
    _flip(release.blob(release.pushed.digest))
    pull(release, scratch)


def sbom_edited(release: Release, scratch: Path) -> None:
    """A component is gone from the SBOM."""

    def leave_one_out(statement: dict[str, Any]) -> None:
        del statement["predicate"]["components"][0]

    release.say(release.pushed.digest, _edited(release, _SBOM, leave_one_out))
    release.cosign.attested(release.reference, "cyclonedx")


def sbom_of_another_signer(release: Release, scratch: Path) -> None:
    """Somebody else says what the package is made of."""
    release.say(release.pushed.digest)
    cosign(scratch / "theirs").attest(release.reference, "cyclonedx", release.pushed.sbom)
    release.cosign.attested(release.reference, "cyclonedx")


def sbom_missing(release: Release, scratch: Path) -> None:
    """Something else that was attested has to do for the SBOM."""
    bundles = release.bundles(release.pushed.digest)
    release.say(release.pushed.digest, *(each for kind, each in bundles.items() if kind != _SBOM))
    release.cosign.attested(release.reference, "cyclonedx")


@pytest.mark.parametrize(
    ("tamper", "message"),
    [
        (unsigned_package, "no signatures found"),
        (package_of_another_signer, "signature"),
        (signature_removed, "no signatures found"),
        (signature_of_another_package, "digest"),
        (signature_edited, "signature"),
        (archive_altered, "digest|verification"),
        (manifest_altered, "digest|verification"),
        (sbom_edited, "signature"),
        (sbom_of_another_signer, "signature"),
        (sbom_missing, "cyclonedx|predicate"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_tampering_is_refused(
    tamper: Callable[[Release, Path], None], message: str, release: Release, tmp_path: Path
) -> None:
    with pytest.raises(ProcessError) as caught:
        tamper(release, tmp_path)
    # By the one who verifies, and for this reason: what prepares it must not be what fails.
    assert {"verify", "verify-attestation", "pull"} & set(caught.value.argv)
    assert re.search(message, caught.value.stderr, re.IGNORECASE), caught.value.stderr
