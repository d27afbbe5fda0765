"""Small modules that stand for the tools, and what tests of installing them look at."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from mldeploy import process
from mldeploy.progress import Quiet, Step
from mldeploy.toolchain import store
from mldeploy.toolchain.pins import Pins, load

# Of the standard library only the runtime is needed, which compiles in seconds.
MAIN = """package main

var version = "unset"

func main() { println("{name}", version) }
"""
TOOLS = """
[alpha]
module = "alpha"
package = "."
group = "deploy"
stamp = ["main.version=1.2.3"]

[beta]
module = "beta"
package = "example.invalid/beta/cmd/beta"
group = "deploy"

[beta-plugin]
module = "beta"
package = "example.invalid/beta/cmd/beta-plugin/v3"
group = "deploy"
plugin = true
binary = "bin/run"
files = ["plugin.yaml", "manifests"]
"""


@dataclass
class Log:
    """A progress that keeps what it was told."""

    steps: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def step(self, title: str, *, key: str | None = None) -> AbstractContextManager[Step]:
        self.steps.append(title)
        return Quiet().step(title, key=key)

    def note(self, text: str) -> None:
        self.notes.append(text)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def entry(pins: Pins, name: str) -> store.Entry:
    found = store.find(name, pins.key(pins.pin(name)))
    assert found is not None
    return found


def output(program: Path) -> str:
    return process.run([program], timeout_s=30).stderr.strip()


def flip(path: Path, *, at: int = 1000) -> None:
    """Change one byte, and put size, modification time and mode back."""
    status = path.stat()
    path.chmod(0o755)
    with path.open("r+b") as file:
        file.seek(min(at, status.st_size - 1))
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    path.chmod(status.st_mode)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def with_version(pins: Pins, version: str) -> Pins:
    """Alpha as if it were published: its module folder has no such version, so that building it fails."""
    asking = f'version = "v{version}"\nask = ["version"]'
    write(pins.folder / "tools.toml", TOOLS.replace('stamp = ["main.version=1.2.3"]', asking))
    load.cache_clear()
    return load(pins.folder)
