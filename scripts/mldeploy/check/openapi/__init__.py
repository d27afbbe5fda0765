"""The API's own description, one file for each Kubernetes minor: definitions only, one a line.

They are made of what Kubernetes' Go module holds (`check/published.py`), at the releases that sources.toml names. A
cluster test compares the pinned minor's with what the running API server serves.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

MODULE = "k8s.io/kubernetes"
SOURCE = "x-source"
_FOLDER = Path(__file__).parent
_KINDS = "x-kubernetes-group-version-kind"
_REFERENCE = re.compile(r'"#/definitions/([^"]+)"')
# An API server serves versions that are not stable only where it is told to.
_STABLE = re.compile(r"v\d+")
# What a schema checks. Descriptions and the rules of merging are nine tenths of the document, and check nothing.
_KEPT = {
    "$ref", "type", "format", "required", "enum", "pattern", "minimum", "maximum", _KINDS,
    "x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields",
}  # fmt: skip


def minors() -> list[tuple[int, int]]:
    """List the Kubernetes minors that are described here, the oldest first."""
    found = [path.stem.split(".") for path in _FOLDER.glob("*.json")]
    return sorted((int(major), int(minor)) for major, minor in found)


def document(minor: tuple[int, int]) -> Path:
    """Give the file that describes one of `minors`."""
    return _FOLDER / f"{minor[0]}.{minor[1]}.json"


def sources() -> dict[Path, str]:
    """Give the file of each minor that sources.toml names, and the release of Kubernetes that it is to describe."""
    declared = tomllib.loads((_FOLDER / "sources.toml").read_text("utf-8"))
    return {_FOLDER / f"{minor}.json": version for minor, version in declared.items()}


def stale() -> list[Path]:
    """List the files that are missing, or that describe another release than sources.toml says."""
    return [path for path, version in sources().items() if not _describes(path, version)]


def compact(definitions: dict[str, Any], source: dict[str, str]) -> str:
    """Write the `definitions` of an OpenAPI v2 document: what a schema needs of them, one a line, sorted.

    Args:
        definitions: by name. What no stable kind leads to is left out.
        source: what they are of.
    """
    kept = {name: _kept(definitions[name]) for name in sorted(_served(definitions))}
    lines = [
        f"{json.dumps(name)}: {json.dumps(each, sort_keys=True)}" for name, each in {SOURCE: source, **kept}.items()
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def joined(models: dict[str, Any], published: dict[str, Any]) -> dict[str, Any]:
    """Join what Kubernetes' module says about its API in two places: neither has all of it.

    Args:
        models: the definitions that its own `models-schema` prints: with enumerations, without kinds, and in older
            releases named as Go names the types.
        published: the definitions of its `api/openapi-spec/swagger.json`: with kinds, without enumerations.
    """
    names = {name: name if name in published else _published_name(name) for name in models}
    found: dict[str, Any] = {}
    for name, model in models.items():
        if (known := published.get(names[name])) is not None:
            kinds = {_KINDS: known[_KINDS]} if _KINDS in known else {}
            found[names[name]] = {**_renamed(model, names), **kinds}
    return found


def _published_name(name: str) -> str:
    """Turn `k8s.io/api/apps/v1.Deployment` into `io.k8s.api.apps.v1.Deployment`."""
    domain, _, rest = name.partition("/")
    return ".".join([*reversed(domain.split(".")), *rest.split("/")])


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_renamed(each, names) for each in value]
    if not isinstance(value, dict):
        return value
    renamed = {key: _renamed(child, names) for key, child in value.items()}
    if isinstance(reference := renamed.get("$ref"), str):
        # The parts of a reference are escaped as in a JSON pointer (RFC 6901).
        name = reference.removeprefix("#/definitions/").replace("~1", "/").replace("~0", "~")
        renamed["$ref"] = f"#/definitions/{names[name]}"
    return renamed


def _served(definitions: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    waiting = [name for name, each in definitions.items() if any(map(_is_stable, each.get(_KINDS, ())))]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _REFERENCE.findall(json.dumps(definitions[name]))
    return found


def _is_stable(kind: dict[str, str]) -> bool:
    return _STABLE.fullmatch(kind["version"]) is not None


def _kept(each: dict[str, Any]) -> dict[str, Any]:
    schema = {key: value for key, value in each.items() if key in _KEPT}
    schema |= {key: _kept(each[key]) for key in ("items", "additionalProperties") if isinstance(each.get(key), dict)}
    if "properties" in each:
        schema["properties"] = {name: _kept(child) for name, child in each["properties"].items()}
    return schema


def _describes(path: Path, version: str) -> bool:
    try:
        return bool(json.loads(path.read_text("utf-8"))[SOURCE]["version"] == version)
    except (OSError, ValueError, KeyError):
        return False
