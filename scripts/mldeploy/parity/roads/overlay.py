"""`kustomize build` of the overlays as they are committed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from mldeploy.overlay import kustomize
from mldeploy.overlay.layout import Layout
from mldeploy.parity.road import Answer, Road, Subject, attempt, by_text


def _walk(root: Path, subjects: Sequence[Subject]) -> list[Answer]:
    folders = [Layout(root, each.service).overlay(each.environment) for each in subjects]
    built = [attempt(partial(kustomize.build, folder)) for folder in folders]
    return by_text(built, [each.release.namespace for each in subjects])


ROAD = Road("overlay", "kustomize build of <service>-kustomize/overlays/<environment>", _walk)
