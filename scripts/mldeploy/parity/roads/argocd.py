"""The Applications that Argo CD's ApplicationSet makes of its list and its clusters, as far as this repository says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mldeploy.errors import MldeployError
from mldeploy.overlay import kustomize
from mldeploy.parity.road import Subject, documents

_SOURCES = Path("gitops") / "argocd" / "sources"
_EXPRESSION = re.compile(r"\{\{\s*(\S+)\s*\}\}")
_ENVIRONMENTS = "mldeploy/environment"


@dataclass(frozen=True)
class Application:
    """One Application: its name, where it deploys to, and `spec.source` with every expression filled in."""

    name: str
    namespace: str
    source: Mapping[str, Any]


class Applications:
    """The Applications of one choice of source, such as `chart` or `rendered`.

    Raises:
        MldeployError: kustomize cannot build the choice, or it has no ApplicationSet.
    """

    def __init__(self, root: Path, choice: str) -> None:
        self._place = _SOURCES / choice
        found = [each for each in documents(kustomize.build(root / self._place)) if each["kind"] == "ApplicationSet"]
        if len(found) != 1:
            raise MldeployError(f"{self._place}: holds {len(found)} ApplicationSets", remedy="leave one")
        self._spec: dict[str, Any] = found[0]["spec"]

    def of(self, subject: Subject) -> Application:
        """Give the Application of a release.

        Raises:
            MldeployError: there is none, or it uses an expression that is not understood here.
        """
        element = self._element(subject)
        known = {f".{name}": value for name, value in element.items()}
        known[".values.environment"] = subject.environment
        template = self._spec["template"]
        return Application(
            self._fill(template["metadata"]["name"], known),
            self._fill(template["spec"]["destination"]["namespace"], known),
            self._fill(template["spec"]["source"], known),
        )

    def _element(self, subject: Subject) -> Mapping[str, Any]:
        (matrix,) = (each["matrix"]["generators"] for each in self._spec["generators"])
        elements = [each for part in matrix for each in part.get("list", {}).get("elements", [])]
        labels = [
            value
            for part in matrix
            for each in part.get("clusters", {}).get("selector", {}).get("matchExpressions", [])
            if each["key"] == _ENVIRONMENTS
            for value in each["values"]
        ]
        match = next((each for each in elements if each["service"] == subject.service), None)
        if match is None or subject.environment not in labels:
            raise MldeployError(
                f"{self._place}: makes no Application of {subject.service} in {subject.environment}",
                remedy="add it to the ApplicationSet's generators in gitops/argocd/services/applications.yaml",
            )
        return dict(match)

    def _fill(self, value: Any, known: Mapping[str, Any]) -> Any:
        if isinstance(value, dict):
            return {key: self._fill(child, known) for key, child in value.items()}
        if isinstance(value, list):
            return [self._fill(child, known) for child in value]
        return _EXPRESSION.sub(lambda match: self._known(match, known), value) if isinstance(value, str) else value

    def _known(self, match: re.Match[str], known: Mapping[str, Any]) -> str:
        if match[1] not in known:
            raise MldeployError(
                f"{self._place}: the expression '{match[0]}' is not understood here",
                remedy=f"use one of {', '.join(sorted(known))}",
            )
        return str(known[match[1]])
