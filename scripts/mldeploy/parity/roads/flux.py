"""What Flux is told for an environment: the objects that its kustomizations in this repository come to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mldeploy.errors import MldeployError
from mldeploy.overlay import kustomize
from mldeploy.parity.road import Subject, attempt, documents

_SOURCES = Path("gitops") / "flux" / "sources"


class Told:
    """The objects of one choice of source, such as `chart` or `rendered`, by environment."""

    def __init__(self, root: Path, choice: str) -> None:
        self._root = root
        self._place = _SOURCES / choice
        self._known: dict[str, list[dict[str, Any]] | MldeployError] = {}

    def of(self, subject: Subject, kind: str) -> Mapping[str, Any]:
        """Give the spec of the object of a kind that deploys a release.

        Raises:
            MldeployError: kustomize cannot build it, or there is none.
        """
        name = subject.environment
        if name not in self._known:
            self._known[name] = attempt(lambda: documents(kustomize.build(self._root / self._place / name)))
        found = self._known[name]
        if isinstance(found, MldeployError):
            raise found
        for each in found:
            if each["kind"] == kind and each["metadata"].get("labels", {}).get("service") == subject.service:
                spec: dict[str, Any] = each["spec"]
                return spec
        raise MldeployError(
            f"{self._place / name}: has no {kind} for {subject.service}",
            remedy="add one, with the label `service`",
        )
