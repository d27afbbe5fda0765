"""What a chart is made of and what it runs, as CycloneDX 1.6; the same bytes every time.

The format: https://cyclonedx.org/docs/1.6/json/
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml


def sbom(chart: Path, sha256: str, stamp: int) -> dict[str, Any]:
    """Describe a chart: itself, the charts inside it, its files with their hashes, and the images that its values name.

    Args:
        chart: the folder that was packaged.
        sha256: of the archive; the serial number is made from it, so that no run differs from another.
        stamp: seconds since 1970, the time of the commit.
    """
    metadata = _yaml(chart / "Chart.yaml")
    subject = {
        **_chart(metadata),
        "description": metadata.get("description", ""),
        "hashes": [{"alg": "SHA-256", "content": sha256}],
    }
    inside = [_chart(_yaml(path)) for path in sorted((chart / "charts").glob("*/Chart.yaml"))]
    images = [_image(image) for image in sorted(set(_images(_yaml(chart / "values.yaml"))))]
    files = [_file(path, chart) for path in sorted(chart.rglob("*")) if path.is_file()]
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


def _file(path: Path, chart: Path) -> dict[str, Any]:
    name = path.relative_to(chart).as_posix()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    hashes = [{"alg": "SHA-256", "content": digest}]
    return {"type": "file", "bom-ref": f"file:{name}", "name": name, "hashes": hashes}


def _yaml(path: Path) -> dict[str, Any]:
    content = yaml.safe_load(path.read_text("utf-8"))
    return content if isinstance(content, dict) else {}
