"""Which images there are, and what goes into each."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mldeploy.errors import MldeployError

REPOSITORY = "localhost/mldeploy"

# Raise it when the code of this folder puts something else into an image: the tags must change then.
FORMAT = 2


@dataclass(frozen=True)
class Base:
    """A base image: made of Debian packages where there is no Docker, pulled where there is.

    Attributes:
        packages: Debian packages; they come with their dependencies.
        keep: patterns (fnmatch, of paths in the image) of what stays of them.
        drop: patterns of what goes nevertheless.
        docker: the image that takes its place under Docker; empty where the image is never built by Docker.
    """

    packages: tuple[str, ...]
    keep: tuple[str, ...]
    drop: tuple[str, ...]
    docker: str


@dataclass(frozen=True)
class Recipe:
    """An image.

    Attributes:
        name: its name, after `localhost/mldeploy/`.
        folder: build context, relative to the checkout; its Dockerfile takes the build argument BASE.
        inputs: files and folders of the context that go into the image.
        base: what it stands on.
        locks: requirements, relative to the context, whose wheels are fetched into its folder `wheels`.
    """

    name: str
    folder: str
    inputs: tuple[str, ...]
    base: Base
    locks: tuple[str, ...] = field(default=())

    @property
    def repository(self) -> str:
        """Give the image's name without its tag."""
        return f"{REPOSITORY}/{self.name}"


SUITE = "bookworm"
# Shared libraries, their loader, certificates and licences; no shell, no package manager, no other program.
LIBRARIES = (
    "lib/*",
    "lib64",
    "lib64/*",
    "usr/lib/x86_64-linux-gnu/*",
    "usr/share/ca-certificates/*",
    "usr/share/doc/*/copyright",
    "etc/ssl/openssl.cnf",
    "etc/nsswitch.conf",
    "etc/host.conf",
    "etc/debian_version",
    "usr/lib/os-release",
)
NEVER_OPENED = (
    "*/__pycache__/*",
    "lib/systemd/*",
    "lib/init/*",
    "lib/lsb/*",
    "usr/lib/x86_64-linux-gnu/gconv/*",
    "usr/lib/x86_64-linux-gnu/perl*",
    "usr/lib/python3*/ensurepip/*",
    "usr/lib/python3*/idlelib/*",
    "usr/lib/python3*/lib2to3/*",
    "usr/lib/python3*/pydoc_data/*",
    "usr/lib/python3*/test/*",
    "usr/lib/python3*/turtledemo/*",
)

_SERVICE = Recipe(
    name="ml-service",
    folder="service",
    inputs=("Dockerfile", "build.py", "requirements.txt", "model", "ml_service"),
    base=Base(
        packages=("python3", "libstdc++6", "ca-certificates"),
        keep=(*LIBRARIES, "usr/bin/python3*", "usr/lib/python3*"),
        drop=(*NEVER_OPENED, "usr/lib/python3/*"),
        docker="python:3.11-slim-bookworm",
    ),
    locks=("requirements.txt", "model/requirements.txt"),
)
_REDIS = Recipe(
    name="redis",
    folder="service/redis-server",
    inputs=("Dockerfile",),
    base=Base(
        packages=("redis-server", "ca-certificates"),
        keep=(*LIBRARIES, "usr/bin/redis-*"),
        drop=NEVER_OPENED,
        docker="redis:7.0-bookworm",
    ),
)
RECIPES = {recipe.name: recipe for recipe in (_SERVICE, _REDIS)}


def recipe(name: str) -> Recipe:
    """Find a recipe by its image's name.

    Raises:
        MldeployError: there is none.
    """
    try:
        return RECIPES[name]
    except KeyError:
        raise MldeployError(f"{name}: no such image", remedy=f"the images are {', '.join(RECIPES)}") from None


def input_files(root: Path, of: Recipe) -> list[Path]:
    """List the files that go into an image, relative to its context, in the same order everywhere.

    Raises:
        MldeployError: one that the recipe names is missing.
    """
    context = root / of.folder
    found: list[Path] = []
    for name in of.inputs:
        path = context / name
        if path.is_dir():
            found += [p for p in path.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
        elif path.is_file():
            found.append(path)
        else:
            raise MldeployError(f"{path}: missing", remedy="restore it: git checkout -- " + str(path))
    return sorted(path.relative_to(context) for path in found)
