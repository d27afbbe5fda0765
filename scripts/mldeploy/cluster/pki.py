"""One cluster's own authorities, keys and certificates: made once, keys mode 0600, least privilege for each client."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mldeploy.cluster.layout import API_SERVICE_ADDRESS, CLUSTER_DOMAIN, NODE_ADDRESS

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

VALID_DAYS = 365
# A snapshot whose certificates end sooner than this is not used any more.
RENEW_DAYS = 60


@dataclass(frozen=True)
class Certificate:
    """One certificate to issue.

    Attributes:
        name: its file is `<name>.crt`, its key `<name>.key`.
        authority: the name of the authority that signs it.
        common_name, group: the subject; Kubernetes reads them as the user and its group.
        server: whether a server shows it; names: the DNS names and addresses that it then covers.
        client: whether a client shows it.
    """

    name: str
    authority: str
    common_name: str
    group: str = ""
    client: bool = True
    server: bool = False
    names: tuple[str, ...] = ()


AUTHORITIES = ("ca", "front-proxy-ca", "etcd-ca")


def certificates(node: str, *, whole_node: bool) -> tuple[Certificate, ...]:
    """List what a cluster needs.

    Args:
        node: the node's name.
        whole_node: False for an API server alone, which needs only its own and the administrator's.
    """
    service = tuple(
        f"kubernetes{suffix}" for suffix in ("", ".default", ".default.svc", f".default.svc.{CLUSTER_DOMAIN}")
    )
    addresses = ("127.0.0.1", NODE_ADDRESS)
    api = (
        Certificate(
            "apiserver",
            "ca",
            "kube-apiserver",
            client=False,
            server=True,
            names=(*service, "localhost", API_SERVICE_ADDRESS, *addresses),
        ),
        Certificate("admin", "ca", "mldeploy-admin", "system:masters"),
        Certificate("etcd", "etcd-ca", "etcd", server=True, names=("localhost", "127.0.0.1")),
        Certificate("apiserver-etcd-client", "etcd-ca", "kube-apiserver"),
        Certificate("front-proxy-client", "front-proxy-ca", "front-proxy-client"),
        Certificate("apiserver-kubelet-client", "ca", "mldeploy:apiserver-kubelet-client"),
    )
    if not whole_node:
        return api
    return (
        *api,
        Certificate("controller-manager", "ca", "system:kube-controller-manager"),
        Certificate("scheduler", "ca", "system:kube-scheduler"),
        Certificate("proxy", "ca", "system:kube-proxy"),
        Certificate("kubelet-client", "ca", f"system:node:{node}", "system:nodes"),
        Certificate("kubelet", "ca", f"system:node:{node}", client=False, server=True, names=(node, *addresses)),
        Certificate(
            "metrics-server",
            "ca",
            "metrics-server",
            client=False,
            server=True,
            names=("metrics-server.kube-system.svc",),
        ),
    )


def make(folder: Path, wanted: tuple[Certificate, ...]) -> None:
    """Write every authority, certificate and key, the service account key pair and the key for secrets at rest.

    Args:
        folder: an absent or empty folder; it gets mode 0700.
        wanted: see `certificates`.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    authorities = {name: _authority(folder, name) for name in AUTHORITIES}
    for one in wanted:
        _issue(folder, one, *authorities[one.authority])
    account = ec.generate_private_key(ec.SECP256R1())
    _write_key(folder / "service-account.key", account)
    public = account.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (folder / "service-account.pub").write_bytes(public)
    write_private(folder / "secrets.key", base64.b64encode(os.urandom(32)))


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may ever read: the mode is there before the content."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o600)
        file.write(content)


def expires_soon(folder: Path) -> bool:
    """Tell whether the certificates of `folder` should be made anew."""
    from cryptography import x509

    certificate = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
    left = certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    return left < datetime.timedelta(days=RENEW_DAYS)


def _authority(folder: Path, name: str) -> tuple[x509.Certificate, EllipticCurvePrivateKey]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(f"mldeploy {name}", "")
    certificate = (
        _builder(subject, subject, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(folder, name, certificate, key)
    return certificate, key


def _issue(folder: Path, one: Certificate, issuer: x509.Certificate, issuer_key: EllipticCurvePrivateKey) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    key = ec.generate_private_key(ec.SECP256R1())
    purposes = [ExtendedKeyUsageOID.CLIENT_AUTH] * one.client + [ExtendedKeyUsageOID.SERVER_AUTH] * one.server
    builder = (
        _builder(_subject(one.common_name, one.group), issuer.subject, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )
    if one.names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_alternative(n) for n in one.names]), critical=False
        )
    _write(folder, one.name, builder.sign(issuer_key, hashes.SHA256()), key)


def _subject(common_name: str, group: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if group:
        parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
    return x509.Name(parts)


def _builder(subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    from cryptography import x509

    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # An hour back: a clock that is set right between two starts must not refuse its own cluster.
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative(name: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write(folder: Path, name: str, certificate: x509.Certificate, key: EllipticCurvePrivateKey) -> None:
    from cryptography.hazmat.primitives import serialization

    (folder / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    _write_key(folder / f"{name}.key", key)


def _write_key(path: Path, key: EllipticCurvePrivateKey) -> None:
    from cryptography.hazmat.primitives import serialization

    write_private(
        path,
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
