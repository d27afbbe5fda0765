"""The programs that build and push images: Docker where it runs, buildah elsewhere."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mldeploy import process
from mldeploy.errors import MldeployError
from mldeploy.image.base import make
from mldeploy.image.follow import follow
from mldeploy.image.oci import archive_again, archive_folder
from mldeploy.image.recipes import Base
from mldeploy.progress import Progress, Step

_BUILD_TIMEOUT_S = 1800
_MOVE_TIMEOUT_S = 600
# Nothing is pulled by name: the base comes from a file that was made here.
_POLICY = '{"default": [{"type": "insecureAcceptAnything"}]}'


class Builder(Protocol):
    """Builds a context into an OCI archive, and pushes archives."""

    def base(self, base: Base, progress: Progress) -> str:
        """Give what the Dockerfile's BASE is to be."""

    def build(self, context: Path, base: str, reference: str, archive: Path, step: Step) -> str:
        """Build the Dockerfile in `context`, write the image to `archive`, and give its manifest's digest."""

    def push(self, archive: Path, reference: str, destination: str, auth: Path, *, plain_http: bool) -> str:
        """Push `archive`, whose image is `reference`; give the digest that the registry has it under."""


def find(scratch: Path) -> Builder:
    """Choose the builder of this machine.

    Args:
        scratch: an empty folder for what the builder keeps while it works.

    Raises:
        MldeployError: there is none that may work here.
    """
    if shutil.which("docker") and process.run(["docker", "info"], timeout_s=20, ok=range(256)).returncode == 0:
        return Docker(scratch)
    if shutil.which("buildah") is None:
        raise MldeployError(
            "neither a running Docker nor buildah was found",
            remedy="apt-get install buildah, or start Docker (mldeploy doctor lists all that is missing)",
        )
    if os.geteuid() != 0:
        raise MldeployError("building an image with buildah needs root", remedy="run the same command with sudo")
    return Buildah(scratch)


@dataclass(frozen=True)
class Buildah:
    """buildah with a storage of its own: nothing of it is seen by, or stays with, the machine's other users of it."""

    scratch: Path

    def base(self, base: Base, progress: Progress) -> str:
        """See `Builder.base`."""
        return f"oci-archive:{make(base, progress)}"

    def build(self, context: Path, base: str, reference: str, archive: Path, step: Step) -> str:
        """See `Builder.build`; the steps run in a chroot, which works where containers do not."""
        options = ["--isolation", "chroot", "--format", "oci", "--timestamp", "0", "--layers=false"]
        words: list[process.Argument] = ["bud", *options, "--build-arg", f"BASE={base}", "--tag", reference, context]
        follow(self._command(words), _steps(context / "Dockerfile", step), timeout_s=_BUILD_TIMEOUT_S)
        step.update("writing the archive", done=0.95)
        # Layers stay uncompressed, which only `dir:` allows: the node imports them in half the time.
        folder = self.scratch / "image"
        words = ["push", "--disable-compression", "--format", "oci", reference, f"dir:{folder}"]
        process.run(self._command(words), timeout_s=_MOVE_TIMEOUT_S)
        return archive_folder(folder, archive, reference)

    def push(self, archive: Path, reference: str, destination: str, auth: Path, *, plain_http: bool) -> str:
        """See `Builder.push`."""
        digest = self.scratch / "digest"
        process.run(self._command(["pull", f"oci-archive:{archive}"]), timeout_s=_MOVE_TIMEOUT_S)
        secure = [f"--tls-verify={'false' if plain_http else 'true'}"]
        words: list[process.Argument] = [
            "push",
            *secure,
            "--authfile",
            auth,
            "--digestfile",
            digest,
            reference,
            f"docker://{destination}",
        ]
        process.run(self._command(words), timeout_s=_MOVE_TIMEOUT_S)
        return digest.read_text("utf-8").strip()

    def _command(self, words: Sequence[process.Argument]) -> list[process.Argument]:
        policy = self.scratch / "policy.json"
        policy.write_text(_POLICY, "utf-8")
        # vfs copies where overlay would mount: slower by a second, and works inside any container.
        storage: list[process.Argument] = [
            "--root",
            self.scratch / "storage",
            "--runroot",
            self.scratch / "run",
            "--storage-driver",
            "vfs",
        ]
        # A killed build takes its builder with it: an orphan would go on writing where the next build cleans up.
        with_us = ["setpriv", "--pdeathsig", "KILL"]
        return [*with_us, "buildah", *storage, words[0], "--signature-policy", policy, *words[1:]]


@dataclass(frozen=True)
class Docker:
    """Docker's own builder."""

    scratch: Path

    def base(self, base: Base, progress: Progress) -> str:  # noqa: ARG002 - the protocol's
        """See `Builder.base`; Docker pulls it."""
        return base.docker

    def build(self, context: Path, base: str, reference: str, archive: Path, step: Step) -> str:
        """See `Builder.build`."""
        options = ["--network", "none", "--platform", "linux/amd64", "--progress", "plain"]
        argv: list[process.Argument] = ["docker", "build", *options, "--build-arg", f"BASE={base}", "--tag", reference]
        follow([*argv, context], _steps(context / "Dockerfile", step), timeout_s=_BUILD_TIMEOUT_S)
        step.update("writing the archive", done=0.95)
        raw = self.scratch / "saved.tar"
        process.run(["docker", "save", "--output", raw, reference], timeout_s=_MOVE_TIMEOUT_S)
        return archive_again(raw, archive, reference)

    def push(self, archive: Path, reference: str, destination: str, auth: Path, *, plain_http: bool) -> str:  # noqa: ARG002
        """See `Builder.push`; Docker itself knows which registries speak plain HTTP."""
        process.run(["docker", "load", "--input", archive], timeout_s=_MOVE_TIMEOUT_S)
        process.run(["docker", "tag", reference, destination], timeout_s=60)
        folder = self.scratch / "docker"
        folder.mkdir()
        shutil.copyfile(auth, folder / "config.json")
        done = process.run(["docker", "--config", folder, "push", destination], timeout_s=_MOVE_TIMEOUT_S)
        found = re.search(r"digest: (sha256:[0-9a-f]{64})", done.stdout)
        if found is None:
            raise MldeployError(f"{destination}: docker pushed it without saying its digest")
        return found[1]


def _steps(dockerfile: Path, step: Step) -> Callable[[str], None]:
    total = sum(bool(re.match(r"[A-Z]+ ", line)) for line in dockerfile.read_text("utf-8").splitlines())
    done = 0

    def on_line(line: str) -> None:
        nonlocal done
        if match := re.match(r"(?:\[\d+/\d+\] )?STEP \d+/\d+: (.*)|#\d+ \[.*?\d+/\d+\] (.*)", line):
            done += 1
            step.update((match[1] or match[2])[:70], done=min(0.94, done / total))

    return on_line
