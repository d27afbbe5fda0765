"""Gives checks of values a way to render, which they may not import themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mldeploy.errors import MldeployError

if TYPE_CHECKING:
    from mldeploy.values.dead import Renderer
    from mldeploy.values.document import Value
    from mldeploy.values.layered import Release


def renderer(root: Path) -> Renderer:
    """Make a function that renders a release of this checkout with other values, without validating them.

    It renders for a cluster that has every kind in policies/crds: templates that ask whether a kind is there count.

    Raises:
        MldeployError: helmfile cannot list the releases, or a file of CRDs cannot be read.
    """
    from mldeploy.check import crds
    from mldeploy.render import environments, list_releases
    from mldeploy.render.manifests import variants

    listings = list_releases(root, environments(root))
    for listing in listings:
        if listing.error:
            raise MldeployError(listing.error, remedy="run helmfile list and correct what it says")
    known = {(listing.environment, release.name): release for listing in listings for release in listing.releases}

    kinds = crds.read(crds.stored(root / crds.FOLDER))
    served = {f"{kind['spec']['group']}/{version['name']}" for kind in kinds for version in kind["spec"]["versions"]}

    def render(release: Release, overrides: Sequence[dict[str, Value]]) -> list[str]:
        found = known[release.environment, release.name]
        everything = tuple(sorted({*found.api_versions, *served}))
        rendered = replace(found, skip_schema_validation=True, api_versions=everything)
        return [each.error or each.manifest for each in variants(rendered, overrides)]

    return render
