"""Flux's helm-controller renders the charts, with the values files that its HelmReleases name."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from mldeploy.errors import MldeployError
from mldeploy.parity.road import Answer, Chart, Road, Subject, attempt, by_helm
from mldeploy.parity.roads.flux import Told

# What else a HelmRelease can say about the objects themselves.
_CHANGES = ("values", "valuesFrom", "postRenderers", "commonMetadata")


def _walk(root: Path, subjects: Sequence[Subject]) -> list[Answer]:
    told = Told(root, "chart")
    return by_helm(subjects, [attempt(partial(_chart, root, told, each)) for each in subjects])


def _chart(root: Path, told: Told, subject: Subject) -> Chart:
    spec = told.of(subject, "HelmRelease")
    for key in _CHANGES:
        if key in spec:
            raise MldeployError(
                f"the HelmRelease of {subject.release.name} sets {key}", remedy="say it in values files"
            )
    source = spec["chart"]["spec"]
    files = tuple(root / name for name in source.get("valuesFiles", []))
    name = spec.get("releaseName", subject.release.name)
    return Chart(name, spec["targetNamespace"], root / source["chart"], files)


ROAD = Road("flux-chart", "gitops/flux/sources/chart: Flux renders the charts", _walk)
