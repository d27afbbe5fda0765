"""Pushes an image to a registry, with credentials that never show in a process's arguments."""

from __future__ import annotations

import base64
import ipaddress
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from mldeploy import paths
from mldeploy.errors import MldeployError
from mldeploy.image import builder
from mldeploy.image.build import build
from mldeploy.image.scratch import scratch_folder
from mldeploy.process import ProcessError
from mldeploy.progress import Progress

_PART = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_REGISTRY = re.compile(r"(?P<host>[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(?::\d{1,5})?")


@dataclass(frozen=True)
class Destination:
    """Where an image goes: `registry/project/name`.

    Raises:
        MldeployError: that is no place in a registry.
    """

    registry: str
    project: str
    name: str

    def __post_init__(self) -> None:
        if not _REGISTRY.fullmatch(self.registry):
            raise MldeployError(f"{self.registry!r}: not a registry's host", remedy="set REGISTRY to host or host:port")
        for variable, value in (("PROJECT", self.project), ("NAME", self.name)):
            if not _PART.fullmatch(value):
                raise MldeployError(
                    f"{value!r}: not a path in a registry",
                    remedy=f"set {variable} to lower-case words, joined by / or -",
                )

    @property
    def repository(self) -> str:
        """Give the name without a tag."""
        return f"{self.registry}/{self.project}/{self.name}"

    @property
    def is_loopback(self) -> bool:
        """Tell whether the registry is on this machine, where plain HTTP is as good as TLS."""
        host = self.registry.rpartition(":")[0] or self.registry
        try:
            return ipaddress.ip_address(host.strip("[]")).is_loopback
        except ValueError:
            return host == "localhost"


def push(root: Path, name: str, destination: Destination, auth_file: Path | None, progress: Progress) -> str:
    """Build an image if it changed, and push it under its own tag.

    Args:
        root: the checkout.
        name: the image.
        destination: where it goes.
        auth_file: credentials as `docker login` writes them; default: `REGISTRY_USERNAME` and `REGISTRY_PASSWORD`
            from the environment; neither: no credentials.
        progress: told what takes long.

    Returns:
        `registry/project/name:tag@sha256:...`, as pushed.

    Raises:
        MldeployError: the image cannot be built, or the registry does not take it.
    """
    image = build(root, name, progress)
    target = f"{destination.repository}:{image.reference.rpartition(':')[2]}"
    folder = paths.cache() / "images"
    with scratch_folder(folder) as scratch:
        auth = scratch / "auth.json"
        auth.touch(mode=0o600)
        auth.write_text(credentials(destination, auth_file), "utf-8")
        with progress.step(f"Pushing {target}", key=f"image-push-{name}"):
            chosen = builder.find(scratch)
            try:
                digest = chosen.push(image.archive, image.reference, target, auth, plain_http=destination.is_loopback)
            except ProcessError as error:
                raise MldeployError(
                    f"{target}: could not be pushed\n  {_reason(error)}", remedy=_remedy(error)
                ) from error
    return f"{target}@{digest}"


def credentials(destination: Destination, auth_file: Path | None) -> str:
    """Give credentials as a builder's auth file has them; the file's own, or the environment's, or none.

    Raises:
        MldeployError: the file cannot be read, or one of the two variables is missing.
    """
    if auth_file:
        try:
            return auth_file.read_text("utf-8")
        except OSError as error:
            raise MldeployError(
                f"{auth_file}: {error.strerror}", remedy="name a file that docker login wrote"
            ) from error
    username, password = os.environ.get("REGISTRY_USERNAME", ""), os.environ.get("REGISTRY_PASSWORD", "")
    if not username and not password:
        return '{"auths": {}}'
    if not username or not password:
        raise MldeployError("only one of REGISTRY_USERNAME and REGISTRY_PASSWORD is set", remedy="set both, or neither")
    token = base64.b64encode(f"{username}:{password}".encode()).decode()
    return json.dumps({"auths": {destination.registry: {"auth": token}}})


def _reason(error: ProcessError) -> str:
    lines = (error.stderr.strip() or error.stdout.strip()).splitlines()
    return lines[-1][-500:] if lines else error.message


def _remedy(error: ProcessError) -> str:
    output = (error.stderr + error.stdout).lower()
    if any(word in output for word in ("unauthorized", "authentication required", "denied")):
        return "check REGISTRY_USERNAME and REGISTRY_PASSWORD (or the file), and that they may push there"
    return "check the registry's name and the network"
