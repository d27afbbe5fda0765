"""Argo CD takes what was rendered and published, from the folders that its Applications name."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from mldeploy.errors import MldeployError
from mldeploy.parity.road import Answer, Road, Subject, attempt, by_text
from mldeploy.parity.roads.argocd import Applications
from mldeploy.parity.roads.published import build, published


def _walk(root: Path, subjects: Sequence[Subject]) -> list[Answer]:
    applications = attempt(partial(Applications, root, "rendered"))
    if isinstance(applications, MldeployError):
        return [Answer(error=str(applications))] * len(subjects)
    files = published(subjects)
    built = [attempt(partial(_built, applications, files, each)) for each in subjects]
    return by_text(built, [each.release.namespace for each in subjects])


def _built(applications: Applications, files: dict[str, str], subject: Subject) -> str:
    return build(files, applications.of(subject).source["path"])


ROAD = Road("argocd-rendered", "gitops/argocd/sources/rendered: what mldeploy gitops publish wrote", _walk)
