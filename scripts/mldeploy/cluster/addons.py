"""What runs in every cluster besides the components: cluster DNS and metrics, with their images and the pods' own."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import yaml

from mldeploy import paths
from mldeploy.cluster import archive
from mldeploy.cluster.layout import CLUSTER_DOMAIN, DNS_ADDRESS

_MANIFESTS = Path(__file__).with_name("manifests")
_FILES = ("base.yaml", "coredns.yaml", "metrics-server.yaml")


@dataclass(frozen=True)
class SystemImages:
    """The archive of the images that every node needs, and their references."""

    archive: Path
    pause: str
    coredns: str
    metrics_server: str


def system_images(programs: Path, pause: Path) -> SystemImages:
    """Write the archive of the system's images, unless one of the same binaries is there.

    Args:
        programs: the folder with `coredns` and `metrics-server`.
        pause: the static program that holds a pod's namespaces.
    """
    images = (
        archive.Image("localhost/mldeploy/pause", pause, (f"/{pause.name}", "-P")),
        archive.Image("localhost/mldeploy/coredns", programs / "coredns", ("/coredns",)),
        archive.Image("localhost/mldeploy/metrics-server", programs / "metrics-server", ("/metrics-server",)),
    )
    path = paths.cache() / "images" / f"node-{_identity(images)}.tar"
    if not path.is_file():
        archive.write(path, images)
    references = {reference.rpartition(":")[0]: reference for reference in archive.contents(path)}
    return SystemImages(path, *(references[image.repository] for image in images))


def manifests(images: SystemImages, pki: Path) -> list[dict[str, Any]]:
    """Give every object to apply, in an order in which it can be applied."""

    def encoded(name: str) -> str:
        return base64.b64encode((pki / name).read_bytes()).decode()

    values = {
        "coredns": images.coredns,
        "metrics_server": images.metrics_server,
        "dns_address": DNS_ADDRESS,
        "domain": CLUSTER_DOMAIN,
        "authority": encoded("ca.crt"),
        "metrics_server_certificate": encoded("metrics-server.crt"),
        "metrics_server_key": encoded("metrics-server.key"),
    }
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: list[dict[str, Any]] = []
    for name in _FILES:
        text = Template((_MANIFESTS / name).read_text("utf-8")).substitute(values)
        found += [document for document in yaml.load_all(text, loader) if document]
    return found


def sources() -> bytes:
    """Give the manifests as they are written, for the key of a snapshot."""
    return b"".join((_MANIFESTS / name).read_bytes() for name in _FILES)


def _identity(images: tuple[archive.Image, ...]) -> str:
    # The binaries were verified by hash when they were found: size and time tell whether they are still the same.
    told = hashlib.sha256(Path(archive.__file__).read_bytes())
    for image in images:
        found = image.program.resolve().stat()
        told.update(f"{image}{found.st_size}.{found.st_mtime_ns}\n".encode())
    return told.hexdigest()[:16]
