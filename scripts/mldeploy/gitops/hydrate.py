"""Renders -> files: a folder for each service of an environment, a file for each object, and what kustomize needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote

from mldeploy.errors import MldeployError
from mldeploy.plan.objects import Manifested, manifested
from mldeploy.render import Rendered, document

KUSTOMIZATION = "kustomization.yaml"
STORE = "secret-store"
_TEST_HOOKS = {"test", "test-success"}
_MADE = "Made by `mldeploy gitops publish` from the charts and values of provenance.yaml's commit: edit those."


def hydrate(rendered: Rendered) -> dict[str, str]:
    """Write a release as the files of one folder, which kustomize builds to the same objects.

    Args:
        rendered: a release that renders, with its objects.

    Returns:
        Text by file name: one file for each of `deployed`'s objects, and the kustomization that lists them.

    Raises:
        MldeployError: the release has Helm hooks, which only Helm runs, or the same object twice.
    """
    objects = deployed(rendered)
    names = _names(objects, rendered.release.namespace)
    files = {name: document.write(each.data) for name, each in sorted(zip(names, objects, strict=True), key=_first)}
    return {**files, KUSTOMIZATION: kustomization(list(files))}


def _first(pair: tuple[str, Manifested]) -> str:
    return pair[0]


def kustomization(resources: Sequence[str]) -> str:
    """Write the kustomization of a folder."""
    data = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": list(resources)}
    return document.write(data, comment=_MADE)


def environment(services: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Write an environment: its services' files below their names, and a kustomization of all of them.

    And a folder of nothing: gitops/flux reads it to wait for the store, which the platform makes, before the services.
    """
    files = {f"{service}/{name}": text for service, own in services.items() for name, text in own.items()}
    gate = {f"{STORE}/{KUSTOMIZATION}": kustomization([])}
    return {**gate, **files, KUSTOMIZATION: kustomization(sorted(services))}


def deployed(rendered: Rendered) -> list[Manifested]:
    """Give the objects that a cluster keeps of a release, each with its namespace in it.

    Helm's test pods are left out: nothing runs them here.

    Raises:
        MldeployError: the release has Helm hooks that are no tests.
    """
    found = []
    for each in manifested(rendered.objects, rendered.release.namespace):
        if not each.hook:
            found.append(_placed(each))
        elif not set(each.data["metadata"]["annotations"]["helm.sh/hook"].replace(" ", "").split(",")) <= _TEST_HOOKS:
            raise MldeployError(
                f"{rendered.release.name}: {each.kind} {each.name} is a Helm hook, which nothing but Helm runs",
                remedy="deploy this release by Helm, or make the hook an ordinary object",
            )
    return found


def _names(objects: Sequence[Manifested], namespace: str) -> list[str]:
    """Name the object's files: by kind and name; by namespace and API group too, where that says too little."""

    def short(each: Manifested) -> str:
        return f"{each.kind.lower()}-{each.name}"

    def placed(each: Manifested) -> str:
        return short(each) if each.namespace in {"", namespace} else f"{each.kind.lower()}-{each.namespace}-{each.name}"

    def grouped(each: Manifested) -> str:
        return f"{each.group}-{placed(each)}" if each.group else placed(each)

    forms: tuple[Callable[[Manifested], str], ...] = (short, placed, grouped)
    names = ["" for _ in objects]
    for form in forms:
        counted = Counter(map(form, objects))
        names = [
            name or (form(each) if counted[form(each)] == 1 else "") for name, each in zip(names, objects, strict=True)
        ]
    for name, each in zip(names, objects, strict=True):
        if not name or names.count(name) > 1:
            raise MldeployError(
                f"{each.kind} {each.name} in {each.namespace or 'the cluster'} is rendered twice",
                remedy="remove one of the two templates",
            )
    return [f"{quote(name, safe=':')}.yaml" for name in names]


def _placed(each: Manifested) -> Manifested:
    if not each.namespace:
        return each
    return replace(each, data={**each.data, "metadata": {**each.data["metadata"], "namespace": each.namespace}})
