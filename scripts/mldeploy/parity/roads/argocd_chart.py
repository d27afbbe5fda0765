"""Argo CD renders the charts, with the values files that its Applications name."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from mldeploy.errors import MldeployError
from mldeploy.parity.road import Answer, Chart, Road, Subject, attempt, by_helm
from mldeploy.parity.roads.argocd import Applications


def _walk(root: Path, subjects: Sequence[Subject]) -> list[Answer]:
    applications = attempt(partial(Applications, root, "chart"))
    if isinstance(applications, MldeployError):
        return [Answer(error=str(applications))] * len(subjects)
    return by_helm(subjects, [attempt(partial(_chart, root, applications, each)) for each in subjects])


def _chart(root: Path, applications: Applications, subject: Subject) -> Chart:
    found = applications.of(subject)
    helm = found.source.get("helm", {})
    chart = root / found.source["path"]
    unknown = sorted(set(helm) - {"releaseName", "valueFiles"})
    if unknown:
        raise MldeployError(f"the Application {found.name} sets helm.{unknown[0]}", remedy="say it in the values files")
    # A path from the repository's root begins with a slash; any other starts at the chart.
    files = [root / name[1:] if name.startswith("/") else chart / name for name in helm.get("valueFiles", [])]
    return Chart(helm.get("releaseName", found.name), found.namespace, chart, tuple(files))


ROAD = Road("argocd-chart", "gitops/argocd/sources/chart: Argo CD renders the charts", _walk)
