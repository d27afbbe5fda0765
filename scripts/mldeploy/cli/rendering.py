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

    Raises:
        MldeployError: helmfile cannot list the releases.
    """
    from mldeploy.render import environments, list_releases
    from mldeploy.render.manifests import variants

    listings = list_releases(root, environments(root))
    for listing in listings:
        if listing.error:
            raise MldeployError(listing.error, remedy="run helmfile list and correct what it says")
    known = {(listing.environment, release.name): release for listing in listings for release in listing.releases}

    def render(release: Release, overrides: Sequence[dict[str, Value]]) -> list[str]:
        rendered = replace(known[release.environment, release.name], skip_schema_validation=True)
        return [found.error or found.manifest for found in variants(rendered, overrides)]

    return render
