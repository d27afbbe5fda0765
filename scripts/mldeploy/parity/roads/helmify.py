"""What Helm renders of the kustomize chart with the template that helmify gives it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mldeploy.errors import MldeployError
from mldeploy.overlay import helm
from mldeploy.overlay.generate import generate
from mldeploy.overlay.layout import Layout
from mldeploy.parity.road import Answer, Chart, Road, Subject, attempt, by_helm


def _walk(root: Path, subjects: Sequence[Subject]) -> list[Answer]:
    with tempfile.TemporaryDirectory(prefix="mldeploy-parity-") as folder:
        charts = [attempt(lambda each=each: _chart(root, each, Path(folder))) for each in subjects]  # type: ignore[misc]
        return by_helm(subjects, charts)


def _chart(root: Path, subject: Subject, folder: Path) -> Chart:
    layout = Layout(root, subject.service)
    if not (layout.chart / "Chart.yaml").is_file():
        raise MldeployError(f"{layout.chart.relative_to(root)}: is no chart", remedy="make it (docs/overlays.md)")
    (generated,) = generate(root, [subject.source])
    path = folder / subject.environment / subject.service
    shutil.copytree(layout.chart, path, ignore=shutil.ignore_patterns(layout.manifest.name))
    text = helm.template(subject.service, subject.environment, generated.built[subject.environment])
    (path / layout.manifest.relative_to(layout.chart)).write_text(text, "utf-8")
    return Chart(subject.release.name, subject.release.namespace, path, subject.release.values_files)


ROAD = Road("helmify", "deployments/kustomize/helmfile.yaml, whose charts carry what kustomize builds", _walk)
