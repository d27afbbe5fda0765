"""What overlays are made from: each service's chart with its own defaults, and its release in every environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from mldeploy.errors import MldeployError, RefusedError
from mldeploy.plan.objects import Manifested, manifested
from mldeploy.render import Release, Rendered, environments, list_releases, render
from mldeploy.toolchain import tool

# Stands for the namespace while the base is rendered; overlays name theirs.
_NAMESPACE = "default"
_TEST_HOOKS = {"test", "test-success"}
Object = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """A release and its objects, which an overlay has to come to."""

    release: Release
    objects: tuple[Manifested, ...]

    @property
    def prefix(self) -> str:
        """What the release's name has before the service's."""
        return self.release.name.removesuffix(self.release.service)


@dataclass(frozen=True)
class Source:
    """A service.

    Attributes:
        chart: its chart, relative to the checkout.
        base: the objects of the chart with nothing but its own defaults, under the service's own name, in no namespace.
        targets: by environment.
    """

    service: str
    chart: Path
    base: tuple[Manifested, ...]
    targets: Mapping[str, Target]


def sources(root: Path, services: Sequence[str] = (), only: Sequence[str] = ()) -> list[Source]:
    """Render what is needed.

    Args:
        root: the checkout.
        services: which; default: all.
        only: the environments whose targets are wanted; default: all.

    Raises:
        RefusedError: a chart renders a Secret.
        MldeployError: no such service or environment, or one of them does not render.
    """
    # Helmfile's environment has every tool: one that is missing would be told as an error of the helmfiles.
    tool("kustomize")
    names = environments(root)
    wanted = environments(root, only)
    listed: dict[str, dict[str, Release]] = {}
    for listing in list_releases(root, names):
        if listing.error:
            raise MldeployError(listing.error, remedy="run helmfile list and correct what it says")
        for release in listing.releases:
            other = listed.setdefault(release.service, {}).setdefault(listing.environment, release)
            if other is not release:
                raise MldeployError(
                    f"{listing.environment}: {other.name} and {release.name} are both the service {release.service}, "
                    "and an overlay is of one",
                    remedy="give each a label `service` of its own",
                )
    for service in services:
        if service not in listed:
            near = get_close_matches(service, listed, n=1)
            hint = f"did you mean '{near[0]}'? " if near else ""
            raise MldeployError(f"no such service: {service}", remedy=f"{hint}choose from {', '.join(listed)}")
    chosen = {name: releases for name, releases in listed.items() if not services or name in services}
    bases = {name: _neutral(root, next(iter(releases.values()))) for name, releases in chosen.items()}
    asked = [release for releases in chosen.values() for name, release in releases.items() if name in wanted]
    rendered = {id(each.release): each for each in render(root, [*bases.values(), *asked], objects=True)}
    return [
        Source(
            service,
            _chart(root, bases[service]),
            _base(root, rendered[id(bases[service])]),
            {
                name: Target(_named(release), _objects(root, rendered[id(release)]))
                for name, release in releases.items()
                if name in wanted
            },
        )
        for service, releases in chosen.items()
    ]


def _neutral(root: Path, release: Release) -> Release:
    _chart(root, release)
    return replace(release, name=release.service, namespace=_NAMESPACE, values_files=(), special="")


def _base(root: Path, rendered: Rendered) -> tuple[Manifested, ...]:
    if rendered.error:
        raise MldeployError(
            f"{_chart(root, rendered.release)}: does not render with its own defaults: {rendered.error}",
            remedy="give values.yaml defaults that render, as ci/default-values.yaml asks for",
        )
    return tuple(replace(each, data=_without_namespace(each.data)) for each in _objects(root, rendered))


def _objects(root: Path, rendered: Rendered) -> tuple[Manifested, ...]:
    release = rendered.release
    if rendered.error:
        raise MldeployError(f"{release.environment}: {release.name} does not render: {rendered.error}")
    found: list[Manifested] = []
    for each in manifested(rendered.objects, release.namespace):
        if "/crds/" in each.source:
            continue
        if each.kind == "Secret":
            raise RefusedError(
                f"{_chart(root, release)}: {each.source} renders a Secret, and what is made here is committed",
                remedy="let an ExternalSecret bring it (docs/secrets.md)",
            )
        if not each.hook:
            found.append(each)
        elif not set(str(each.data["metadata"]["annotations"]["helm.sh/hook"]).split(",")) <= _TEST_HOOKS:
            raise MldeployError(
                f"{_chart(root, release)}: {each.source} is a hook of Helm, which kustomize cannot run",
                remedy="deploy this service by its chart, or make the hook a part of what is deployed",
            )
    return tuple(found)


def _named(release: Release) -> Release:
    if not release.name.endswith(release.service):
        raise MldeployError(
            f"{release.environment}: {release.name} does not end in the service's name, {release.service}",
            remedy="name releases <environment>-<service>, so that an overlay can put the prefix before",
        )
    return release


def _chart(root: Path, release: Release) -> Path:
    if release.chart_path is None:
        raise MldeployError(
            f"{release.environment}: the chart {release.chart} of {release.name} is not in this checkout",
            remedy="overlays are made from charts that are",
        )
    path = release.chart_path.resolve()
    return path.relative_to(root.resolve()) if path.is_relative_to(root.resolve()) else path


def _without_namespace(data: Object) -> Object:
    metadata = {key: value for key, value in data["metadata"].items() if (key, value) != ("namespace", _NAMESPACE)}
    return {**data, "metadata": metadata}
