"""Everything of one side, rendered; or stored, where the side is a cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from mldeploy.errors import MldeployError
from mldeploy.plan.live import Live, Stored
from mldeploy.plan.reasons import Values
from mldeploy.plan.sides import Side
from mldeploy.render import Listing, Release, Rendered, Selector, environments, list_releases, parse, render

Key = tuple[str, str]


@dataclass(frozen=True)
class Whole:
    """Everything of one side.

    Attributes:
        environments: those that are planned.
        error: why its environments are not known.
        configs: in a cluster, the values that each release was applied with; None: they are in the side's files.
    """

    side: Side
    environments: tuple[str, ...]
    listings: tuple[Listing, ...]
    rendered: tuple[Rendered, ...]
    error: str = ""
    configs: Mapping[Key, Mapping[str, Any]] | None = None

    def listing(self, environment: str) -> Listing | None:
        """Give the environment's releases; None where this side does not declare it."""
        return next((each for each in self.listings if each.environment == environment), None)

    def of(self, environment: str) -> dict[Key, Rendered]:
        """Give the environment's renders by namespace and name."""
        return {key_of(each.release): each for each in self.rendered if each.release.environment == environment}

    @cached_property
    def values(self) -> Values:
        """The side's values, with their lines."""
        return Values(self.side.root)


def key_of(release: Release) -> Key:
    """Give what a release is known by in a cluster."""
    return release.namespace, release.name


def rendered(side: Side, wanted: Sequence[str], selector: Selector, *, include_crds: bool = True) -> Whole:
    """Render a side; what fails is an error within it.

    Raises:
        MldeployError: a tool is missing.
    """
    try:
        declared = environments(side.root)
    except MldeployError as error:
        return Whole(side, (), (), (), str(error))
    names = [name for name in declared if not wanted or name in wanted]
    if wanted and not names:
        what = f"{side.label} declares no environment {', '.join(wanted)}; choose from {', '.join(declared)}"
        return Whole(side, (), (), (), what)
    listings = list_releases(side.root, names)
    releases = [each for listing in listings for each in listing.releases if selector.matches(each.labels)]
    found = render(side.root, releases, include_crds=include_crds, objects=True)
    return Whole(side, tuple(names), tuple(listings), tuple(found))


def stored(live: Live, after: Whole, selector: Selector) -> Whole:
    """Give what a cluster has of the releases that `after` renders, and of others in the same namespaces.

    Raises:
        MldeployError: the cluster cannot be asked, or a release in it cannot be read.
    """
    label = f"cluster {live.context}"
    found: list[Rendered] = []
    configs: dict[Key, Mapping[str, Any]] = {}
    for listing in after.listings:
        known = {key_of(each): each for each in listing.releases}
        for namespace in dict.fromkeys(each.namespace for each in listing.releases):
            for each in live.stored(namespace):
                release = known.get((each.namespace, each.name)) or _unknown(each, listing)
                if selector.matches(release.labels):
                    found.append(Rendered(release, each.manifest))
                    configs[each.namespace, each.name] = each.config
    objects = parse([each.manifest for each in found])
    with_objects = tuple(replace(each, objects=own) for each, own in zip(found, objects, strict=True))
    listings = tuple(Listing(each.environment) for each in after.listings)
    return Whole(Side(after.side.root, label), after.environments, listings, with_objects, configs=configs)


def _unknown(each: Stored, listing: Listing) -> Release:
    """Describe a release that the helmfiles do not name (any more), as far as the cluster knows it."""
    return Release(
        environment=listing.environment,
        name=each.name,
        namespace=each.namespace,
        labels={"name": each.name, "namespace": each.namespace},
        chart=each.chart,
        chart_path=None,
        values_files=(),
        needs=(),
        kube_version="",
        api_versions=(),
        skip_schema_validation=False,
        kube_context="",
        file=listing.releases[0].file,
        special="is in the cluster only",
    )
