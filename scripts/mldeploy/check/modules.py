"""Files of Go modules, fetched for as long as something is made of them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mldeploy import process
from mldeploy.progress import Progress
from mldeploy.toolchain import golang

_TIMEOUT_S = 900.0


@dataclass(frozen=True)
class Go:
    """A compiler with a module cache of its own; the user's are not filled."""

    program: Path
    home: Path

    def run(self, *arguments: str, cwd: Path) -> str:
        """Run `go` and give what it prints.

        Raises:
            ProcessError: a download, a checksum or a build failed; its message says which.
        """
        env = {
            "GOMODCACHE": str(self.home / "mod"),
            "GOCACHE": str(self.home / "build"),
            # Writable, so that the folder can be removed afterwards.
            "GOFLAGS": "-mod=mod -modcacherw",
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
            "CGO_ENABLED": "0",
        }
        return process.run([self.program, *arguments], timeout_s=_TIMEOUT_S, cwd=cwd, env=env).stdout


@dataclass(frozen=True)
class Module:
    """A Go module as it was fetched.

    Attributes:
        name, version: what was asked for.
        folder: its files; gone when the `with` block is left.
        digest: its hash as in go.sum ("h1:..."), which Go has compared with the checksum database's.
        go: how Go is called so that it uses the same cache.
    """

    name: str
    version: str
    folder: Path
    digest: str
    go: Go


@contextmanager
def fetched(name: str, version: str, progress: Progress) -> Iterator[Module]:
    """Fetch a Go module.

    Args:
        name: its path, such as "github.com/external-secrets/external-secrets".
        version: its version, such as "v0.20.4".
        progress: where the step is announced.

    Raises:
        ProcessError: it is not served, or it is not what the checksum database says.
        MldeployError: there is no compiler.
    """
    compiler = golang.provide(progress)
    with tempfile.TemporaryDirectory(prefix="mldeploy-module-") as made:
        go = Go(compiler.program, Path(made))
        with progress.step(f"Fetching {name} {version}"):
            told = json.loads(go.run("mod", "download", "-json", f"{name}@{version}", cwd=go.home))
        yield Module(name, version, Path(told["Dir"]), told["Sum"], go)
