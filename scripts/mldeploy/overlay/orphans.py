"""Folders of services that no helmfile has any more: what was made there goes, what people wrote there is named."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from mldeploy.errors import RefusedError
from mldeploy.overlay import tree
from mldeploy.overlay.layout import BASE, BY_HAND, OVERLAYS, Layout
from mldeploy.overlay.stamp import Origin, origin

_SUFFIX = "-kustomize"
_OVER = "but no helmfile has this service any more"


def orphans(root: Path, services: Collection[str]) -> list[Layout]:
    """List the folders that hold overlays, or what belongs to overlays, of other services than these.

    Args:
        root: the checkout.
        services: all that helmfile knows.
    """
    found: list[Layout] = []
    for path in sorted(root.glob(f"*{_SUFFIX}")):
        name = path.name.removesuffix(_SUFFIX)
        if name in services or not path.is_dir() or path.is_symlink():
            continue
        try:
            layout = Layout(root, name)
        except RefusedError:  # no service can be called so: the folder is somebody's own
            continue
        if _holds_ours(path) or any((path / OVERLAYS).glob(f"*/{BY_HAND}/*.yaml")):
            found.append(layout)
    return found


def left(layout: Layout) -> list[tree.Stale]:
    """List what is in such a folder: what `remove` takes away, what was edited, and what people wrote."""
    home = layout.home.relative_to(layout.root)
    words = {
        Origin.OURS: f"was made by mldeploy, {_OVER}",
        Origin.EDITED: f"was made by mldeploy and edited by hand, {_OVER}: delete it",
        Origin.FOREIGN: f"was written by hand, {_OVER}: delete it, or move it to another",
    }
    found = ((name, origin(text)) for name, text in tree.read(layout).items())
    return [tree.Stale(home, name, words[whose], whose is Origin.OURS) for name, whose in found]


def remove(layout: Layout) -> list[str]:
    """Take away what was made; what people wrote stays, and the folder with it.

    Returns:
        The paths that are gone, relative to the checkout.

    Raises:
        RefusedError: a generated file was edited; nothing was removed.
    """
    return tree.write(layout, {})


def _holds_ours(folder: Path) -> bool:
    """Look where files are made, and no deeper: a folder that is called so may be anything."""
    made = (path for pattern in (f"{BASE}/*.yaml", f"{OVERLAYS}/*/*.yaml") for path in folder.glob(pattern))
    return any(origin(path.read_bytes().decode("utf-8", "replace")) is not Origin.FOREIGN for path in made)
