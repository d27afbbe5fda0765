"""What a road is asked and what it answers. A new road is a module in `roads/` with one function, named there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from mldeploy.errors import MldeployError
from mldeploy.overlay.source import Source
from mldeploy.plan.objects import Manifested, manifested
from mldeploy.render import Release, RenderedObject, parse, render

_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Subject:
    """A release, and the objects that helmfile deploys of it: what every road has to come to.

    Attributes:
        source: the service that it is of.
    """

    environment: str
    source: Source
    release: Release
    objects: tuple[Manifested, ...]

    @property
    def service(self) -> str:
        """The service's name."""
        return self.source.service


@dataclass(frozen=True)
class Answer:
    """What a road comes to.

    Attributes:
        objects: without Helm's hooks.
        error: why it does not come to anything; "" where it does.
    """

    objects: tuple[Manifested, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Road:
    """A way from this repository to a cluster.

    Attributes:
        name, about: what people call it, and what it is.
        walk: gives an answer for each subject, in their order.
    """

    name: str
    about: str
    walk: Callable[[Path, Sequence[Subject]], list[Answer]]


@dataclass(frozen=True)
class Chart:
    """How somebody tells Helm to render a subject.

    Attributes:
        values_files: lowest first, the chart's own left out.
    """

    name: str
    namespace: str
    path: Path
    values_files: tuple[Path, ...]


def by_helm(subjects: Sequence[Subject], charts: Sequence[Chart | MldeployError]) -> list[Answer]:
    """Render charts as Helm does, several at once; an error in place of a chart is the answer."""
    releases: dict[int, Release] = {}
    for index, (subject, chart) in enumerate(zip(subjects, charts, strict=True)):
        if isinstance(chart, Chart):
            releases[index] = replace(
                subject.release,
                name=chart.name,
                namespace=chart.namespace,
                chart_path=chart.path,
                values_files=chart.values_files,
                special="",
            )
    rendered = dict(zip(releases, render(Path(), list(releases.values()), objects=True), strict=True))
    return [
        Answer(error=str(chart))
        if isinstance(chart, MldeployError)
        else Answer(_kept(rendered[index].objects, chart.namespace), rendered[index].error)
        for index, chart in enumerate(charts)
    ]


def by_text(manifests: Sequence[str | MldeployError], namespaces: Sequence[str]) -> list[Answer]:
    """Read manifests; an error in place of one is the answer."""
    texts = iter(parse([text for text in manifests if isinstance(text, str)]))
    return [
        Answer(_kept(next(texts), namespace)) if isinstance(text, str) else Answer(error=str(text))
        for text, namespace in zip(manifests, namespaces, strict=True)
    ]


def documents(text: str) -> list[dict[str, Any]]:
    """Give the objects of a text that declares a road."""
    (objects,) = parse([text])
    return [each.data for each in objects]


def attempt(step: Callable[[], _Found]) -> _Found | MldeployError:
    """Take a step of one subject's road; where it fails, the others go on."""
    try:
        return step()
    except MldeployError as error:
        return error


def _kept(objects: Sequence[RenderedObject], namespace: str) -> tuple[Manifested, ...]:
    return tuple(each for each in manifested(objects, namespace) if not each.hook)
