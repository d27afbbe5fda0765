"""CustomResourceDefinitions that others publish: `policies/crds/`, made of what its sources.toml names."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from mldeploy.errors import MldeployError

FOLDER = Path("policies") / "crds"
SOURCES = "sources.toml"
_KIND = "CustomResourceDefinition"


@dataclass(frozen=True)
class Source:
    """One table of sources.toml; its keys are explained at the top of that file."""

    name: str
    module: str
    version: str
    files: tuple[str, ...]
    kinds: tuple[str, ...] = ()

    def head(self, digest: str, body: str) -> str:
        """Give the lines that a file begins with: what made it, and a hash of what was asked for and of the rest."""
        asked = json.dumps([self.files, self.kinds])
        return (
            f"# Made by `mldeploy schema --published` from {self.module} {self.version} ({digest}).\n"
            f"# sha256:{hashlib.sha256(f'{asked}{body}'.encode()).hexdigest()}\n"
        )


def sources(folder: Path) -> list[Source]:
    """Read sources.toml.

    Args:
        folder: `policies/crds` of a checkout.

    Raises:
        MldeployError: it is no TOML, or a table has a wrong key.
    """
    path = folder / SOURCES
    if not path.exists():
        return []
    known = {field.name for field in fields(Source)} - {"name"}
    try:
        declared = tomllib.loads(path.read_text("utf-8"))
        for name, entry in declared.items():
            if unknown := set(entry) - known:
                raise MldeployError(f"{path}: [{name}] has an unknown key {min(unknown)!r}", remedy="see its top")
        return [_source(name, entry) for name, entry in declared.items()]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MldeployError(f"{path}: {error}", remedy="correct the file") from error


def _source(name: str, entry: dict[str, Any]) -> Source:
    try:
        return Source(name, entry["module"], entry["version"], tuple(entry["files"]), tuple(entry.get("kinds", ())))
    except KeyError as error:
        raise MldeployError(f"[{name}] is missing {error}", remedy=f"see the top of {FOLDER / SOURCES}") from error


def stored(folder: Path) -> list[Path]:
    """List the files of CRDs, those that are made and those that somebody put there."""
    return sorted(folder.glob("*.yaml"))


def read(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Read the CRDs of files; other objects in them are passed over.

    Raises:
        MldeployError: a file is no YAML.
    """
    found: list[dict[str, Any]] = []
    for path in paths:
        try:
            documents = list(yaml.load_all(path.read_text("utf-8"), Loader=yaml.CSafeLoader))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise MldeployError(f"{path}: {' '.join(str(error).split())}", remedy="correct the file") from error
        found += [each for each in documents if isinstance(each, dict) and each.get("kind") == _KIND]
    return found


def made(source: Source, module: Path, digest: str) -> str:
    """Make the text of a source's file.

    Args:
        source: what is wanted of the module.
        module: the module's files.
        digest: the module's hash, as in go.sum.

    Raises:
        MldeployError: the module has no such file, or a kind is in none of them.
    """
    files = [path for pattern in source.files for path in sorted(module.glob(pattern))]
    crds = {each["spec"]["names"]["kind"]: each for each in read(files)}
    if not crds:
        raise MldeployError(f"{source.module} {source.version} has no CRD in {', '.join(source.files)}")
    if missing := sorted(set(source.kinds) - set(crds)):
        raise MldeployError(f"{source.module} {source.version} has no CRD of {', '.join(missing)}")
    wanted = [_plain(crds[kind]) for kind in sorted(crds) if kind in (source.kinds or crds)]
    body = yaml.dump_all(wanted, Dumper=yaml.CSafeDumper, width=120, sort_keys=True, explicit_start=True)
    return source.head(digest, body) + body


def stale(folder: Path) -> list[tuple[Path, Source]]:
    """List the files that are not what sources.toml asks for, or that were edited; nothing is fetched.

    Args:
        folder: `policies/crds` of a checkout.

    Raises:
        MldeployError: sources.toml is not right.
    """
    paths = [(folder / f"{source.name}.yaml", source) for source in sources(folder)]
    return [(path, source) for path, source in paths if not _is_made(path, source)]


def _is_made(path: Path, source: Source) -> bool:
    text = path.read_text("utf-8") if path.exists() else ""
    first, second, body = [*text.split("\n", 2), "", ""][:3]
    digest = first.partition("(")[2].partition(")")[0]
    return f"{first}\n{second}\n" == source.head(digest, body)


def _plain(crd: dict[str, Any]) -> dict[str, Any]:
    """Leave out what no schema needs: descriptions, columns, and what the publisher's tools wrote beside the name."""
    spec = crd["spec"]
    versions = [
        {key: version[key] for key in ("name", "served", "storage")}
        | {"schema": {"openAPIV3Schema": _undescribed(version["schema"]["openAPIV3Schema"])}}
        for version in spec["versions"]
        if version["served"]
    ]
    return {
        "apiVersion": crd["apiVersion"],
        "kind": crd["kind"],
        "metadata": {"name": crd["metadata"]["name"]},
        "spec": {key: spec[key] for key in ("group", "names", "scope")} | {"versions": versions},
    }


def _undescribed(schema: dict[str, Any]) -> dict[str, Any]:
    plain = {key: value for key, value in schema.items() if key != "description"}
    for key in ("items", "additionalProperties", "not"):
        if isinstance(plain.get(key), dict):
            plain[key] = _undescribed(plain[key])
    for key in ("allOf", "anyOf", "oneOf"):
        if key in plain:
            plain[key] = [_undescribed(each) for each in plain[key]]
    if "properties" in plain:
        plain["properties"] = {name: _undescribed(each) for name, each in plain["properties"].items()}
    return plain
