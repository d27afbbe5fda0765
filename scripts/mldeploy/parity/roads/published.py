"""What `mldeploy gitops publish` writes, built as Argo CD and Flux build it: a folder for each service."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from mldeploy.errors import MldeployError
from mldeploy.gitops.hydrate import environment, hydrate
from mldeploy.overlay import kustomize
from mldeploy.parity.road import Subject
from mldeploy.render import Rendered, RenderedObject


def published(subjects: Sequence[Subject]) -> dict[str, str]:
    """Give the published files of some releases, by path."""
    by_environment: dict[str, dict[str, dict[str, str]]] = {}
    for each in subjects:
        objects = tuple(RenderedObject(one.source, one.data) for one in each.objects)
        files = hydrate(Rendered(each.release, objects=objects))
        by_environment.setdefault(each.environment, {})[each.service] = files
    return {
        f"{name}/{path}": text
        for name, services in by_environment.items()
        for path, text in environment(services).items()
    }


def build(files: dict[str, str], path: str) -> str:
    """Build the folder that somebody's manifest names.

    Raises:
        MldeployError: nothing is published there.
    """
    folder = PurePosixPath(path).as_posix()
    if f"{folder}/kustomization.yaml" not in files:
        raise MldeployError(f"nothing is published in {path}", remedy="name <environment>/<service>")
    return kustomize.build_files(files, folder)
