"""Base and overlays as files: made again from charts and values, or compared with them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mldeploy import paths
from mldeploy.lock import exclusive
from mldeploy.overlay import orphans, tree
from mldeploy.overlay.generate import Generated, generate
from mldeploy.overlay.layout import Layout
from mldeploy.overlay.source import sources
from mldeploy.progress import Progress


def build(root: Path, services: Sequence[str], progress: Progress) -> list[str]:
    """Make base and overlays what charts and values make of them; those of services that are no more go away.

    Args:
        root: the checkout.
        services: which; default: all that helmfile knows, and all that it knows no more.
        progress: where a wait for another run is told, and what people wrote for a service that is no more.

    Returns:
        The paths that changed.

    Raises:
        CheckFailedError: a hand-written patch sets what values set too; of this service nothing was written.
        RefusedError: a generated file was edited by hand, or a link is in the way; likewise.
        MldeployError: something does not render, or kustomize cannot express it; likewise.
    """
    changed: list[str] = []
    with exclusive(paths.state(root) / "overlays.lock", "makes overlays", progress):
        made = generate(root, sources(root, services))
        for each in made:
            changed += tree.write(each.layout, each.files)
        for layout in _orphans(root, services, made):
            changed += orphans.remove(layout)
            for stale in orphans.left(layout) if layout.home.is_dir() else []:
                progress.note(str(stale))
    return changed


def check(root: Path, services: Sequence[str] = ()) -> list[tree.Stale]:
    """List what is not as charts and values make it.

    Args:
        root: the checkout.
        services: which; default: all that helmfile knows, and all that it knows no more.

    Raises:
        CheckFailedError, MldeployError: as for `build`.
    """
    made = generate(root, sources(root, services))
    told = [stale for each in made for stale in tree.stale(each.layout, each.files)]
    return told + [stale for layout in _orphans(root, services, made) for stale in orphans.left(layout)]


def _orphans(root: Path, services: Sequence[str], made: Sequence[Generated]) -> list[Layout]:
    return [] if services else orphans.orphans(root, {each.layout.service for each in made})
