"""Base and overlays as files: made again from charts and values, or compared with them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mldeploy import paths
from mldeploy.overlay import tree
from mldeploy.overlay.generate import generate
from mldeploy.overlay.source import sources
from mldeploy.progress import Progress
from mldeploy.toolchain.lock import exclusive


def build(root: Path, services: Sequence[str], progress: Progress) -> list[str]:
    """Make base and overlays what charts and values make of them.

    Args:
        root: the checkout.
        services: which; default: all that helmfile knows.
        progress: where a wait for another run is told.

    Returns:
        The paths that changed.

    Raises:
        CheckFailedError: a hand-written patch sets what values set too; of this service nothing was written.
        RefusedError: a generated file was edited by hand, or a link is in the way; likewise.
        MldeployError: something does not render, or kustomize cannot express it; likewise.
    """
    changed: list[str] = []
    with exclusive(paths.state(root) / "overlays.lock", "makes overlays", progress):
        for each in generate(root, sources(root, services)):
            changed += tree.write(each.layout, each.files)
    return changed


def check(root: Path, services: Sequence[str] = ()) -> list[tree.Stale]:
    """List what is not as charts and values make it.

    Args:
        root: the checkout.
        services: which; default: all that helmfile knows.

    Raises:
        CheckFailedError, MldeployError: as for `build`.
    """
    made = generate(root, sources(root, services))
    return [stale for each in made for stale in tree.stale(each.layout, each.files)]
