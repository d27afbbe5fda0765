"""What was published and from what: a file beside the manifests, by which the next publish knows its own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from mldeploy.errors import MldeployError
from mldeploy.render import Release, document
from mldeploy.toolchain.pins import load

FILE = "provenance.yaml"
_COMMENT = (
    "What `mldeploy gitops publish` made here, and from what. It refuses to go over files that somebody else changed."
)
_TOOLS = ("helm", "helmfile")


@dataclass(frozen=True)
class Provenance:
    """Where an environment's manifests are from.

    Attributes:
        commit: what was rendered.
        modified: the working tree was rendered, and differed from the commit.
        tools: versions by name.
        services: what each service was rendered from, by its name.
        files: SHA-256 of each file that was made, by its path in the environment's folder.
    """

    commit: str
    modified: bool
    tools: Mapping[str, str]
    services: Mapping[str, Mapping[str, str]]
    files: Mapping[str, str] = field(default_factory=dict)

    def text(self) -> str:
        """Write it as the file's content."""
        data: dict[str, Any] = {
            "commit": self.commit,
            **({"modified": True} if self.modified else {}),
            "tools": dict(self.tools),
            "services": {name: dict(about) for name, about in self.services.items()},
            "files": dict(self.files),
        }
        return document.write(data, comment=_COMMENT)


def read(path: Path) -> Provenance:
    """Read a provenance file.

    Raises:
        MldeployError: it is not what `text` writes.
    """
    try:
        data = yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader)
        return Provenance(
            commit=str(data["commit"]),
            modified=bool(data.get("modified", False)),
            tools=_texts(data["tools"]),
            services={str(name): _texts(about) for name, about in data["services"].items()},
            files=_texts(data["files"]),
        )
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise MldeployError(
            f"{path}: not written by mldeploy gitops publish, or damaged",
            remedy="restore it from git, or publish into another folder or branch",
        ) from error


def _texts(data: Mapping[Any, Any]) -> dict[str, str]:
    return {str(key): str(value) for key, value in data.items()}


def tools() -> dict[str, str]:
    """Give the versions of what renders."""
    pins = load()
    return {**{name: pins.pin(name).version for name in _TOOLS}, "mldeploy": version("mldeploy")}


def about(root: Path, release: Release) -> dict[str, str]:
    """Say what a release is rendered from: its chart, and a hash of its values files with their names and order.

    Args:
        root: the side it is from.
        release: one whose values files exist.
    """
    digest = hashlib.sha256()
    for path in release.values_files:
        content = path.read_bytes()
        digest.update(f"{_relative(path, root)}\n{len(content)}\n".encode() + content)
    return {
        "release": release.name,
        "namespace": release.namespace,
        "chart": _chart(release),
        "values": f"sha256:{digest.hexdigest()}",
    }


def sha256(text: str) -> str:
    """Hash a file's content."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _relative(path: Path, root: Path) -> str:
    resolved = path.resolve()
    return str(resolved.relative_to(root.resolve()) if resolved.is_relative_to(root.resolve()) else path)


def _chart(release: Release) -> str:
    file = release.chart_path / "Chart.yaml" if release.chart_path is not None else None
    if file is None or not file.is_file():
        return release.chart
    found = yaml.load(file.read_text("utf-8"), Loader=yaml.CSafeLoader)
    return f"{found['name']}-{found['version']}"
