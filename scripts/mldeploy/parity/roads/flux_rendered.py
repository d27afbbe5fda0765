"""Flux applies what was rendered and published, from the folders that its Kustomizations name."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from mldeploy.errors import MldeployError
from mldeploy.parity.road import Answer, Road, Subject, attempt, by_text
from mldeploy.parity.roads.flux import Told
from mldeploy.parity.roads.published import build, published

# What else a Kustomization can say about the objects themselves.
_CHANGES = ("patches", "images", "components", "namePrefix", "nameSuffix", "postBuild", "commonMetadata")


def _walk(root: Path, subjects: Sequence[Subject]) -> list[Answer]:
    told, files = Told(root, "rendered"), published(subjects)
    built = [attempt(partial(_built, told, files, each)) for each in subjects]
    return by_text(built, [each.release.namespace for each in subjects])


def _built(told: Told, files: dict[str, str], subject: Subject) -> str:
    spec = told.of(subject, "Kustomization")
    for key in _CHANGES:
        if key in spec:
            raise MldeployError(
                f"the Kustomization of {subject.release.name} sets {key}", remedy="say it in the values"
            )
    namespace = spec.get("targetNamespace", subject.release.namespace)
    if namespace != subject.release.namespace:
        raise MldeployError(
            f"the Kustomization of {subject.release.name} puts it into {namespace}",
            remedy=f"set spec.targetNamespace to {subject.release.namespace}",
        )
    return build(files, spec["path"])


ROAD = Road("flux-rendered", "gitops/flux/sources/rendered: what mldeploy gitops publish wrote", _walk)
