"""A cluster's certificates: who signs whom, for what, and who may read the keys."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mldeploy.cluster import pki


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pki") / "pki"
    pki.make(path, pki.certificates("local", whole_node=True))
    return path


def certificate(folder: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / f"{name}.crt").read_bytes())


def test_every_certificate_is_signed_by_its_own_authority_only(folder: Path) -> None:
    for one in pki.certificates("local", whole_node=True):
        for authority in pki.AUTHORITIES:
            signer = certificate(folder, authority)
            if authority == one.authority:
                certificate(folder, one.name).verify_directly_issued_by(signer)
            else:
                with pytest.raises(ValueError, match=r"[Ii]ssuer"):
                    certificate(folder, one.name).verify_directly_issued_by(signer)


def test_keys_are_private(folder: Path) -> None:
    keys = sorted(folder.glob("*.key"))
    assert {path.stem for path in keys} >= {"ca", "admin", "etcd", "kubelet", "service-account", "secrets"}
    assert {path.stat().st_mode & 0o777 for path in keys} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_no_client_but_the_administrator_is_a_master(folder: Path) -> None:
    groups = {}
    for one in pki.certificates("local", whole_node=True):
        subject = certificate(folder, one.name).subject
        groups[one.name] = [str(part.value) for part in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    assert [name for name, found in groups.items() if "system:masters" in found] == ["admin"]
    assert groups["kubelet-client"] == ["system:nodes"]


def test_purposes_and_names(folder: Path) -> None:
    server, client = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
    for name, purposes in {
        "apiserver": {server},
        "kubelet": {server},
        "admin": {client},
        "etcd": {server, client},
    }.items():
        usage = certificate(folder, name).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert set(usage) == purposes, name
    names = certificate(folder, "apiserver").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "kubernetes.default.svc.cluster.local" in names.get_values_for_type(x509.DNSName)
    assert {"127.0.0.1", "10.96.0.1", "10.200.0.1"} == {str(one) for one in names.get_values_for_type(x509.IPAddress)}


def test_two_clusters_share_nothing(folder: Path, tmp_path: Path) -> None:
    pki.make(tmp_path / "other", pki.certificates("local", whole_node=True))
    for path in folder.iterdir():
        assert path.read_bytes() != (tmp_path / "other" / path.name).read_bytes(), path.name


def test_an_api_server_alone_needs_no_node(tmp_path: Path) -> None:
    names = {one.name for one in pki.certificates("api", whole_node=False)}
    assert "kubelet" not in names
    assert {"apiserver", "admin", "etcd"} <= names


def test_certificates_that_end_soon_are_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not pki.expires_soon(folder)
    monkeypatch.setattr(pki, "RENEW_DAYS", pki.VALID_DAYS + 1)
    assert pki.expires_soon(folder)
    left = certificate(folder, "ca").not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    assert left > datetime.timedelta(days=300)


def test_an_old_readable_file_becomes_private_before_it_has_a_secret(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("old")
    path.chmod(0o644)
    pki.write_private(path, b"secret")
    assert path.read_bytes() == b"secret"
    assert path.stat().st_mode & 0o777 == 0o600


def test_keys_are_on_the_curve_that_is_quick_to_make(folder: Path) -> None:
    key = certificate(folder, "ca").public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
