"""Which releases there are, which files make up their values, and in which order.

The order is defined once, in the release template of `deployments/base.yaml`; this module reads it there. A checkout
is opened as a `Workspace`, which reads every file once.
"""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mldeploy.errors import MldeployError
from mldeploy.values.coalesce import Defaults
from mldeploy.values.document import Document, Entry, Position, ReadError, Value
from mldeploy.values.layered import Layered, Release
from mldeploy.values.reader import merge, read
from mldeploy.values.validation import Schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_BASE = Path("deployments") / "base.yaml"
_HELMFILE = Path("helmfile.yaml")
_EXPRESSION = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}")
_DEFAULT = "default"
_HELM_TIMEOUT_S = 300.0  # Helm's own default


class Workspace:
    """A checkout's charts, releases and values files, each read once and each release merged once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._documents: dict[Path, Document | ReadError] = {}
        self._layered: dict[tuple[object, ...], Layered] = {}
        self._releases: dict[str, tuple[Release, ...]] = {}
        self._defaults: dict[Path, Defaults] = {}
        self._schemas: dict[Path, Schema | None] = {}

    def document(self, path: Path) -> Document:
        """Read a YAML file in Helm's dialect, once.

        Raises:
            ReadError: Helm refuses it.
        """
        known = self._documents.get(path)
        if known is None:
            try:
                known = read(path)
            except ReadError as error:
                known = error
            self._documents[path] = known
        if isinstance(known, ReadError):
            raise known
        return known

    def refused(self) -> frozenset[Path]:
        """Give the files that Helm refuses, of those that were asked for."""
        return frozenset(path for path, found in self._documents.items() if isinstance(found, ReadError))

    def known(self) -> frozenset[Path]:
        """Give the files that were read, or refused, so far."""
        return frozenset(self._documents)

    def learned(self, before: frozenset[Path]) -> tuple[list[Document], list[ReadError]]:
        """Give what was read, and what was refused, since `before`."""
        new = [found for path, found in self._documents.items() if path not in before]
        return [one for one in new if isinstance(one, Document)], [one for one in new if isinstance(one, ReadError)]

    def learn(self, read: Iterable[Document], refused: Iterable[ReadError]) -> None:
        """Take over what another process has read; what is known here stays."""
        for document in read:
            self._documents.setdefault(document.path, document)
        for error in refused:
            self._documents.setdefault(error.position.path, error)

    @cached_property
    def environments(self) -> tuple[str, ...]:
        """The environments' names in the order of helmfile.yaml; `default` is an alias and not among them.

        Raises:
            MldeployError: helmfile.yaml declares none.
        """
        names = tuple(
            name for name in _mapping(self.document(self.root / _HELMFILE), "environments") if name != _DEFAULT
        )
        if not names:
            raise MldeployError(f"{_HELMFILE}:1:1: no environments", remedy="declare them under 'environments:'")
        return names

    def releases(self, environment: str) -> tuple[Release, ...]:
        """Give an environment's releases in the order of deployments/base.yaml.

        Raises:
            MldeployError: the environment is unknown, or base.yaml uses an expression that is not understood here.
        """
        if environment not in self.environments:
            raise MldeployError(
                f"no environment is called '{environment}'", remedy=f"choose from {', '.join(self.environments)}"
            )
        if environment not in self._releases:
            base = self.document(self.root / _BASE)
            declared = base.values.get("releases")
            count = len(declared) if isinstance(declared, list) else 0
            self._releases[environment] = tuple(self._release(base, index, environment) for index in range(count))
        return self._releases[environment]

    def release(self, environment: str, service: str) -> Release:
        """Give the release of one service in one environment.

        Raises:
            MldeployError: there is no such environment or service.
        """
        releases = self.releases(environment)
        for release in releases:
            if service in {release.service, release.name}:
                return release
        names = ", ".join(release.service for release in releases)
        raise MldeployError(f"no service is called '{service}' in {environment}", remedy=f"choose from {names}")

    def layered(self, release: Release) -> Layered:
        """Read and merge a release's values.

        Raises:
            ReadError: Helm refuses one of the files.
            MldeployError: a file is missing.
        """
        key = (release.environment, release.name, release.chart, release.files)
        if key not in self._layered:
            self._layered[key] = self._merged(release)
        return self._layered[key]

    def _merged(self, release: Release) -> Layered:
        defaults = self._chart(release.chart)
        layers = [self.document(release.chart / "values.yaml")]
        for path in release.files:
            if not path.is_file():
                raise MldeployError(
                    f"{release.declared}: the values file {self._shown(path)} is missing",
                    remedy="create it, or correct the release template in deployments/base.yaml",
                )
            layers.append(self.document(path))
        return Layered(release, tuple(layers), defaults, self.schema(release.chart))

    def schema(self, chart: Path) -> Schema | None:
        """Read a chart's values.schema.json, once; None: it has none.

        Raises:
            MldeployError: it is no JSON, or no JSON Schema.
        """
        if chart not in self._schemas:
            path = chart / "values.schema.json"
            self._schemas[chart] = Schema(path) if path.is_file() else None
        return self._schemas[chart]

    def _shown(self, path: Path) -> Path:
        return path.relative_to(self.root) if path.is_relative_to(self.root) else path

    def _chart(self, folder: Path) -> Defaults:
        known = self._defaults.get(folder)
        if known is None:
            path = folder / "values.yaml"
            name = self.document(folder / "Chart.yaml").values.get("name")
            children = sorted(child.parent for child in folder.glob("charts/*/Chart.yaml"))
            known = Defaults(
                str(name),
                self.document(path).values if path.is_file() else {},
                tuple(self._chart(child) for child in children if child.name[0] not in "._"),
            )
            self._defaults[folder] = known
        return known

    def _release(self, base: Document, index: int, environment: str) -> Release:
        entry = base.find(("releases", index))
        assert entry is not None  # noqa: S101 - the caller counted the list
        spec = _inherited(base, entry)
        labels = {name: str(value) for name, value in _dict(spec.get("labels")).items()}
        known = {
            ".Values.root": str(self.root),
            ".Values.environment": environment,
            ".Environment.Name": environment,
            **{
                f".Release.Labels.{name}": _fill(
                    value, {".Values.environment": environment, ".Environment.Name": environment}, entry.position
                )
                for name, value in labels.items()
            },
        }

        def fill(value: object) -> str:
            return _fill(str(value), known, entry.position)

        known[".Release.Name"] = fill(spec.get("name", ""))
        known[".Release.Namespace"] = fill(spec.get("namespace", environment))
        files = spec.get("values", [])
        timeout = spec.get("timeout", _dict(base.values.get("helmDefaults")).get("timeout"))
        return Release(
            name=known[".Release.Name"],
            namespace=known[".Release.Namespace"],
            environment=environment,
            service=fill(labels.get("service", spec.get("name", ""))),
            labels={name: fill(value) for name, value in labels.items()},
            chart=self._path(fill(spec.get("chart", ""))),
            files=tuple(self._path(fill(file)) for file in files if isinstance(file, str))
            if isinstance(files, list)
            else (),
            declared=entry.position,
            timeout_seconds=float(timeout) if isinstance(timeout, int | float) else _HELM_TIMEOUT_S,
            is_first_environment=environment == self.environments[0],
        )

    def _path(self, text: str) -> Path:
        # Relative paths in base.yaml are helmfile's, seen from the file that is run: the one in the root.
        path = Path(text)
        return path if path.is_absolute() else self.root / path


def _inherited(base: Document, entry: Entry) -> dict[str, Value]:
    """Resolve a release's `inherit`, as helmfile does: templates in order, then the release, whose values append."""
    own = _dict(entry.value)
    merged: dict[str, Value] = {}
    templates = _dict(base.values.get("templates"))
    inherit = own.get("inherit")
    for item in inherit if isinstance(inherit, list) else []:
        name = str(_dict(item).get("template"))
        if name not in templates:
            raise ReadError(entry.position, f"no release template is called '{name}'", "declare it under 'templates:'")
        merged = merge(merged, _dict(templates[name]))
    values = [*_list(merged.get("values")), *_list(own.get("values"))]
    return {**merge(merged, own), "values": values}


def _fill(text: str, known: Mapping[str, str], position: Position) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] not in known:
            raise ReadError(
                position,
                f"the expression '{match[0]}' is not understood here",
                f"use one of {', '.join(sorted(known))}",
            )
        return known[match[1]]

    return _EXPRESSION.sub(value, text)


def _mapping(document: Document, key: str) -> dict[str, Value]:
    return _dict(document.values.get(key))


def _dict(value: Value) -> dict[str, Value]:
    return value if isinstance(value, dict) else {}


def _list(value: Value) -> list[Value]:
    return value if isinstance(value, list) else []
