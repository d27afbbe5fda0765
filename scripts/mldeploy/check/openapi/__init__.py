"""The API's own description, one file for each Kubernetes minor: definitions only, one a line, made by `compact`.

    kubectl get --raw /openapi/v2 > served.json
    python -m mldeploy.check.openapi served.json > scripts/mldeploy/check/openapi/1.36.json

A cluster test compares the pinned minor's file with what the running API server serves.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# What a schema checks. Descriptions and the rules of merging are nine tenths of the document, and check nothing.
_KEPT = {
    "$ref", "type", "format", "required", "enum", "pattern", "minimum", "maximum", "x-kubernetes-group-version-kind",
    "x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields",
}  # fmt: skip


def minors() -> list[tuple[int, int]]:
    """List the Kubernetes minors that are described here, the oldest first."""
    found = [path.stem.split(".") for path in Path(__file__).parent.glob("*.json")]
    return sorted((int(major), int(minor)) for major, minor in found)


def document(minor: tuple[int, int]) -> Path:
    """Give the file that describes one of `minors`."""
    return Path(__file__).with_name(f"{minor[0]}.{minor[1]}.json")


def compact(definitions: dict[str, Any]) -> str:
    """Write the `definitions` of an OpenAPI v2 document: what a schema needs of them, one a line, sorted."""
    lines = [
        f"{json.dumps(name)}: {json.dumps(_kept(each), sort_keys=True)}" for name, each in sorted(definitions.items())
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _kept(each: dict[str, Any]) -> dict[str, Any]:
    schema = {key: value for key, value in each.items() if key in _KEPT}
    schema |= {key: _kept(each[key]) for key in ("items", "additionalProperties") if isinstance(each.get(key), dict)}
    if "properties" in each:
        schema["properties"] = {name: _kept(child) for name, child in each["properties"].items()}
    return schema
