"""Walks every road for every release, and compares where it comes to with what helmfile deploys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mldeploy.errors import MldeployError
from mldeploy.overlay.same import unequal
from mldeploy.overlay.source import sources
from mldeploy.parity.road import Road, Subject
from mldeploy.parity.roads import ROADS


@dataclass(frozen=True)
class Result:
    """One road to one release.

    Attributes:
        objects: how many objects it deploys.
        differences: where it differs from helmfile's, a line each, by path; nothing secret.
        error: why it could not be walked; "" where it could.
    """

    road: Road
    environment: str
    service: str
    objects: int
    differences: tuple[str, ...] = ()
    error: str = ""


def parity(root: Path, *, wanted: Sequence[str] = (), services: Sequence[str] = ()) -> list[Result]:
    """Compare the roads.

    Args:
        root: the checkout.
        wanted: the environments; default: all.
        services: which; default: all.

    Raises:
        MldeployError: no such environment or service, or helmfile or a chart does not render.
    """
    # All services, even where one is wanted: a road that takes more than it should takes the others' objects.
    subjects = [
        Subject(name, source, target.release, target.objects)
        for source in sources(root, (), wanted)
        for name, target in source.targets.items()
    ]
    known = sorted({each.service for each in subjects})
    for service in services:
        if service not in known:
            raise MldeployError(f"no such service: {service}", remedy=f"choose from {', '.join(known)}")
    results = []
    for road in ROADS:
        for subject, answer in zip(subjects, road.walk(root, subjects), strict=True):
            if services and subject.service not in services:
                continue
            lines = () if answer.error else tuple(unequal(subject.objects, answer.objects))
            results.append(Result(road, subject.environment, subject.service, len(answer.objects), lines, answer.error))
    return results
