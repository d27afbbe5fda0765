"""JSON Schemas of the API, one file a kind, from the pinned API server's own OpenAPI and from CRDs; no download."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mldeploy import paths
from mldeploy.check import crds, openapi

_FORMAT = 3
_KINDS = "x-kubernetes-group-version-kind"
_OPEN = ("x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource")
_SCALARS = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": ["string", "number"],
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": ["string", "integer"],
}
_KEPT = {
    "type", "enum", "required", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems",
    "uniqueItems", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minProperties", "maxProperties",
}  # fmt: skip
_OBJECT_META = {"type": "object"}

# The place of a kind's schema, as kubeconform fills it in: the group of the core API is its version.
LOCATION = "{{ .ResourceKind }}_{{ .Group }}_{{ .ResourceAPIVersion }}.json"


def api_schemas(minor: tuple[int, int]) -> Path:
    """Write the schemas of every built-in kind of a Kubernetes minor, once, and give their folder.

    Args:
        minor: one of `openapi.minors()`.
    """
    data = openapi.document(minor).read_bytes()
    folder = _folder(data)
    if not folder.is_dir():
        _fill(folder, _built_in(json.loads(data)))
    return folder


def stored_schemas(files: Sequence[Path]) -> Path:
    """Write the schemas of the kinds that files of CustomResourceDefinitions declare, and give their folder.

    Args:
        files: YAML; they are parsed once, not at each check.

    Raises:
        MldeployError: a file is no YAML.
    """
    folder = _folder(b"".join(b"%d:%s" % (len(data), data) for data in (path.read_bytes() for path in files)))
    if not folder.is_dir():
        # What YAML has and JSON has not (dates) is text in a schema too.
        _fill(folder, _custom(json.loads(json.dumps(crds.read(files), default=str))))
    return folder


def crd_schemas(rendered: Iterable[dict[str, Any]]) -> Path:
    """Write the schemas of the kinds that CustomResourceDefinitions declare, and give their folder."""
    listed = list(rendered)
    folder = _folder(json.dumps(listed, sort_keys=True).encode())
    if not folder.is_dir():
        _fill(folder, _custom(listed))
    return folder


def _folder(data: bytes) -> Path:
    return paths.cache() / "schemas" / hashlib.sha256(f"{_FORMAT}\n".encode() + data).hexdigest()[:32]


def _fill(folder: Path, files: Iterable[tuple[str, dict[str, Any]]]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-") as staging:
        content = Path(staging) / "content"
        content.mkdir()
        for name, schema in files:
            (content / name).write_text(json.dumps(schema), "utf-8")
        try:
            os.rename(content, folder)  # noqa: PTH104 - fails where another process was faster; its files are the same
        except OSError:
            if not folder.is_dir():
                raise


def _name(group: str, version: str, kind: str) -> str:
    return f"{kind.lower()}_{group or version}_{version}.json"


def _built_in(definitions: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, each in definitions.items():
        kinds = each.get(_KINDS, ())
        if len(kinds) != 1 or kinds[0]["kind"].endswith("List"):
            continue  # no object of a manifest: DeleteOptions and the like, and lists, whose items are checked
        (kind,) = kinds
        version = f"{kind['group']}/{kind['version']}" if kind["group"] else kind["version"]
        schema = _convert(each, definitions, (name,))
        head = {"apiVersion": {"enum": [version]}, "kind": {"enum": [kind["kind"]]}}
        yield _name(**kind), {**schema, "properties": {**schema.get("properties", {}), **head}}


def _custom(declared: Iterable[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for crd in declared:
        spec = crd["spec"]
        for version in spec.get("versions", ()):
            if version.get("served") is False:
                continue
            schema = _convert(version.get("schema", {}).get("openAPIV3Schema", {"type": "object"}), {})
            properties = {**schema.get("properties", {}), "metadata": _OBJECT_META, "apiVersion": {}, "kind": {}}
            yield _name(spec["group"], version["name"], spec["names"]["kind"]), {**schema, "properties": properties}


def _convert(each: dict[str, Any], definitions: dict[str, Any], within: tuple[str, ...] = ()) -> dict[str, Any]:
    """Turn an OpenAPI schema into a strict JSON Schema: what it does not name is refused, as the API server can.

    Definitions are written out where they are referred to, since kubeconform's messages end at a reference; one within
    itself (a CRD's schema) is left open.
    """
    if isinstance(each.get("$ref"), str):
        name = each["$ref"].removeprefix("#/definitions/")
        if name in _SCALARS:
            return {"type": _SCALARS[name]}
        return {} if name in within else _convert(definitions[name], definitions, (*within, name))

    def convert(child: dict[str, Any]) -> dict[str, Any]:
        return _convert(child, definitions, within)

    if each.get("x-kubernetes-int-or-string") or each.get("format") == "int-or-string":
        return {"type": ["string", "integer"]}
    schema = {key: value for key, value in each.items() if key in _KEPT}
    if each.get("nullable") and isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
    schema |= {key: [_part(convert(part)) for part in each[key]] for key in ("allOf", "anyOf", "oneOf") if key in each}
    if "not" in each:
        schema["not"] = _part(convert(each["not"]))
    schema |= {key: convert(each[key]) for key in ("items", "additionalProperties") if isinstance(each.get(key), dict)}
    if "properties" in each:
        schema["properties"] = {key: convert(value) for key, value in each["properties"].items()}
        if "additionalProperties" not in each and not any(each.get(key) for key in _OPEN):
            schema["additionalProperties"] = False
    return schema


def _part(part: dict[str, Any]) -> dict[str, Any]:
    """Open a part of a combination, which says something about a few properties and nothing about the others."""
    return {key: value for key, value in part.items() if key != "additionalProperties" or value is not False}
