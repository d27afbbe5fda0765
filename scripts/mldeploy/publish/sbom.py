"""What a chart is made of and what it runs, as CycloneDX 1.6; the same bytes every time.

The format: https://cyclonedx.org/docs/1.6/json/
"""

from __future__ import annotations

import hashlib
import re
import tarfile
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml


def sbom(archive: Path, stamp: int) -> dict[str, Any]:
    """Describe a packaged chart: itself, the charts and files in it with their hashes, and the images that it names.

    Args:
        archive: as `helm package` wrote it.
        stamp: seconds since 1970, the time of the commit.
    """
    content = _content(archive)
    metadata = _yaml(content["Chart.yaml"])
    sha256 = _sha256(archive.read_bytes())
    subject = {
        **_chart(metadata),
        "description": metadata.get("description", ""),
        "hashes": [{"alg": "SHA-256", "content": sha256}],
    }
    inside = [_chart(_yaml(data)) for name, data in content.items() if re.fullmatch(r"charts/[^/]+/Chart\.yaml", name)]
    images = [_image(image) for image in sorted(set(_images(_yaml(content.get("values.yaml", b"")))))]
    files = [_file(name, data) for name, data in content.items()]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'sha256:{sha256}')}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(stamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": subject,
        },
        "components": [*inside, *images, *files],
        "dependencies": [
            {"ref": subject["bom-ref"], "dependsOn": [component["bom-ref"] for component in (*inside, *images)]},
            *({"ref": component["bom-ref"]} for component in (*inside, *images)),
        ],
    }


def _chart(metadata: dict[str, Any]) -> dict[str, Any]:
    name, version = str(metadata["name"]), str(metadata["version"])
    reference = f"pkg:helm/{quote(name)}@{quote(version)}"
    return {"type": "application", "bom-ref": reference, "name": name, "version": version, "purl": reference}


def _images(values: Any) -> Iterator[tuple[str, str]]:
    """Yield (repository, tag or digest) of each `image` map with a repository, wherever it is."""
    if isinstance(values, dict):
        if isinstance(values.get("repository"), str) and values["repository"]:
            yield values["repository"], str(values.get("digest") or values.get("tag") or "")
        for value in values.values():
            yield from _images(value)
    elif isinstance(values, list):
        for value in values:
            yield from _images(value)


def _image(image: tuple[str, str]) -> dict[str, Any]:
    repository, version = image
    name = repository.rpartition("/")[2]
    at = f"@{quote(version, safe='')}" if version else ""
    reference = f"pkg:oci/{quote(name)}{at}?repository_url={quote(repository, safe='')}"
    component = {"type": "container", "bom-ref": reference, "name": repository, "purl": reference}
    return {**component, "version": version} if version else component


def _file(name: str, data: bytes) -> dict[str, Any]:
    hashes = [{"alg": "SHA-256", "content": _sha256(data)}]
    return {"type": "file", "bom-ref": f"file:{name}", "name": name, "hashes": hashes}


def _content(archive: Path) -> dict[str, bytes]:
    """Read every file of the chart, by its path below the chart's own folder."""
    with tarfile.open(archive) as tar:
        found = {member.name.partition("/")[2]: tar.extractfile(member) for member in tar if member.isfile()}
        return {name: found[name].read() for name in sorted(found)}  # type: ignore[union-attr] # all are files


def _yaml(data: bytes) -> dict[str, Any]:
    content = yaml.safe_load(data)
    return content if isinstance(content, dict) else {}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
