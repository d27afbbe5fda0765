"""Where things live: the checkout, its state folder, and the user's cache that all checkouts share."""

from __future__ import annotations

import os
from pathlib import Path

from mldeploy.errors import MldeployError

_MARKER = Path("deployments") / "base.yaml"


def checkout(start: Path | None = None) -> Path:
    """Find the root of the deployment repository that `start` (default: the working directory) is in.

    Returns:
        The nearest folder, upwards, that holds `deployments/base.yaml`.

    Raises:
        MldeployError: no parent folder is such a checkout.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / _MARKER).is_file():
            return folder
    raise MldeployError(
        f"{here}: not inside an mldeploy checkout (no {_MARKER} here or above)",
        remedy="change into the repository, where helmfile.yaml is",
    )


def state(root: Path) -> Path:
    """Give the checkout's git-ignored state folder (clusters, kubeconfig, journals); it may not exist yet."""
    return root / ".mldeploy"


def cache() -> Path:
    """Give the user's cache folder for built tools, images and renders; it may not exist yet.

    `XDG_CACHE_HOME` is honoured, as the XDG base directory specification says: only when absolute.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "mldeploy"
