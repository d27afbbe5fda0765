"""Where the kustomize way is: `<service>-kustomize/{base,overlays/*}` and the chart that carries what it builds.

Nothing here may lead out of the checkout: names are those that helmfile knows, and links are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mldeploy.errors import MldeployError, RefusedError

BASE = "base"
OVERLAYS = "overlays"
BY_HAND = "by-hand"
KUSTOMIZATION = "kustomization.yaml"
HELMFILE = Path("deployments") / "kustomize" / "helmfile.yaml"
# Environments that kustomize's habits call otherwise.
_OVERLAY_NAMES = {"dev": "default", "prod": "production"}
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


def overlay_name(environment: str) -> str:
    """Give the overlay's name of an environment: dev is `default`, prod `production`, every other its own."""
    return _OVERLAY_NAMES.get(environment, environment)


def refuse_overlay_name(environment: str) -> None:
    """Refuse an overlay's name where an environment is asked for: both lead to the same folder.

    Raises:
        MldeployError: it is one.
    """
    for name, overlay in _OVERLAY_NAMES.items():
        if environment == overlay:
            raise MldeployError(
                f"no such environment: {overlay}", remedy=f"{overlay} is the overlay of {name}: say {name}"
            )


@dataclass(frozen=True)
class Layout:
    """The folders of one service.

    Attributes:
        root: the checkout.
        service: its name, as the label `service` of its releases has it.
    """

    root: Path
    service: str

    def __post_init__(self) -> None:
        _check(self.service)

    @property
    def home(self) -> Path:
        """The folder with base and overlays, such as `ml-api-kustomize`."""
        return self.root / f"{self.service}-kustomize"

    @property
    def chart(self) -> Path:
        """The chart that carries what an overlay builds, such as `deployments/kustomize/ml-api`."""
        return self.root / HELMFILE.parent / self.service

    @property
    def manifest(self) -> Path:
        """The chart's one generated template."""
        return self.chart / "templates" / "all.yaml"

    def overlay(self, environment: str) -> Path:
        """Give an environment's overlay, such as `ml-api-kustomize/overlays/production`.

        Raises:
            RefusedError: no environment can be called so.
        """
        _check(environment)
        return self.home / OVERLAYS / overlay_name(environment)

    def files(self) -> Iterator[str]:
        """List every file of base and overlays, relative to `home`.

        Raises:
            RefusedError: one of them, or a folder on the way, is a link.
        """
        refuse_links(self.root, self.home)
        for path in sorted(self.home.rglob("*")):
            if path.is_symlink():
                raise _link(self.root, path)
            if path.is_file():
                yield path.relative_to(self.home).as_posix()


def _check(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise RefusedError(
            f"{name!r}: no name of a service or an environment, which make folders in the checkout",
            remedy="use lower-case letters, digits and '-'",
        )


def refuse_links(root: Path, path: Path) -> None:
    """Refuse a path that leads over a link, wherever that leads to: what is written must be where it says.

    Raises:
        RefusedError: the path itself, or a folder between it and the checkout, is a link.
    """
    for part in (path, *path.parents):
        if part == root:
            return
        if part.is_symlink():
            raise _link(root, part)


def _link(root: Path, path: Path) -> RefusedError:
    return RefusedError(
        f"{path.relative_to(root)}: a symbolic link to {path.readlink()}; nothing was written",
        remedy="put the file or folder itself there",
    )
