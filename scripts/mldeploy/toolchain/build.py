"""Builds all wanted programs of one Go module with one `go build`, in caches that belong to the installation."""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from mldeploy import process
from mldeploy.errors import MldeployError
from mldeploy.progress import Progress, Step
from mldeploy.toolchain import caches, store
from mldeploy.toolchain.complaint import explain
from mldeploy.toolchain.golang import Go
from mldeploy.toolchain.pins import Pin, Pins
from mldeploy.toolchain.trim import required, trim

# Debug information is dropped by the linker: not to compile it saves an eighth of the time and a quarter of the disk.
_COMPILED = ("-trimpath", "-gcflags=all=-dwarf=false")


@dataclass
class Running:
    """The compilers at work, so that an interruption can end them all; nothing starts after `stop`.

    Attributes:
        remaining: the modules that are not yet built, running ones included.
        may_trim: whether caches may be trimmed while others are built.
    """

    remaining: set[str]
    may_trim: bool
    _children: set[process.Child] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopped: bool = False

    def start(self, argv: Sequence[str | Path], cwd: Path, env: dict[str, str]) -> process.Child:
        """Start a compiler, with its output and errors to be read together.

        Raises:
            MldeployError: `stop` was called.
        """
        with self._lock:
            if self._stopped:
                raise MldeployError("building was stopped", remedy="run mldeploy tools install: it goes on from here")
            child = process.start(argv, cwd=cwd, env=env, stdout=process.PIPE, stderr=process.STDOUT)
            self._children.add(child)
            return child

    def stop(self) -> None:
        """End every compiler."""
        with self._lock:
            self._stopped = True
            children = [child for child in self._children if child.poll() is None]
        for child in children:
            process.terminate(child)


@dataclass(frozen=True)
class Job:
    """Programs of one module to build: all pins (the module's flags are made of them), and the compiler."""

    pins: Pins
    module: str
    wanted: tuple[Pin, ...]
    go: Go

    @property
    def source(self) -> Path:
        """The module's folder."""
        return self.pins.folder / self.module

    @property
    def tags(self) -> str:
        """The build tags, as `-tags` takes them."""
        return ",".join(self.pins.tags(self.module))


def build(job: Job, running: Running, progress: Progress) -> None:
    """Build and install programs of one module; those that were finished before an interruption or error are kept.

    Args:
        job: what to build.
        running: where the compiler is registered while it runs.
        progress: where the step is announced.

    Raises:
        MldeployError: a download, a checksum, the disk or the compiler failed.
    """
    out = caches.folder() / "out" / f"{job.module}.{os.getpid()}"
    out.mkdir(parents=True, exist_ok=True)
    with progress.step(f"Building {_title(job)}", key=f"build {job.module}") as step:
        began = time.monotonic()
        try:
            step.update("fetching sources")
            packages = _list(job, running, step)
            _check_versions(job, packages)
            try:
                _compile(job, running, step, out=out, total=len(packages))
            finally:
                _keep(job, packages, out, seconds=time.monotonic() - began)
            running.remaining.discard(job.module)
            if running.may_trim and running.remaining:
                step.update("removing what no other tool needs")
                _trim(job, running, step)
        finally:
            shutil.rmtree(out, ignore_errors=True)


def _title(job: Job) -> str:
    first, *others = job.wanted
    return f"{first.label} (and {len(others)} more of its module)" if others else first.label


@dataclass(frozen=True)
class _Package:
    path: str
    wanted: bool
    module_folder: Path
    module_version: str
    archive: Path

    @property
    def program(self) -> str:
        """What `go build` calls the program: the last part of the path that is no major version."""
        parts = self.path.split("/")
        return parts[-2] if len(parts) > 1 and re.fullmatch(r"v\d+", parts[-1]) else parts[-1]


def _list(job: Job, running: Running, step: Step, *flags: str) -> list[_Package]:
    form = "=\t{{.ImportPath}}\t{{.DepOnly}}\t{{with .Module}}{{.Dir}}\t{{.Version}}{{else}}\t{{end}}\t{{.Export}}"
    packed = [pin.package for pin in job.wanted]
    argv: list[str | Path] = [job.go.program, "list", "-deps", "-tags", job.tags, *flags, "-f", form, *packed]
    packages: list[_Package] = []

    def read(line: str) -> None:
        if line.startswith("=\t"):
            _, path, only_needed, where, version, archive = line.split("\t")
            packages.append(_Package(path, only_needed == "false", Path(where), version, Path(archive)))
        elif line.startswith("go: downloading "):
            step.update(f"fetching {' '.join(line.split()[2:4])}")

    _run(argv, job.source, running, read)
    return packages


def _compile(job: Job, running: Running, step: Step, *, out: Path, total: int) -> None:
    flags = [*_COMPILED, "-v", "-buildvcs=false", "-ldflags", job.pins.ldflags(job.module), "-o", f"{out}/"]
    packed = [pin.package for pin in job.wanted]
    argv: list[str | Path] = [job.go.program, "build", "-tags", job.tags, *flags, *packed]
    compiled = 0

    def read(line: str) -> None:
        nonlocal compiled
        if " " not in line and not line.startswith(("#", "\t")):
            compiled += 1
            # Packages that a cache already has are not printed: the share is a lower bound.
            step.update(f"compiling {line}", done=min(compiled / total, 0.99))

    _run(argv, job.source, running, read)


def _trim(job: Job, running: Running, step: Step) -> None:
    others = [job.pins.folder / module / "go.mod" for module in running.remaining]
    compiled = {package.archive: package.module_folder for package in _list(job, running, step, "-export", *_COMPILED)}
    trim(compiled, required(others), caches.folder() / "mod")


def _package(pin: Pin, packages: Sequence[_Package]) -> _Package:
    return next(package for package in packages if package.wanted and pin.package in {package.path, "."})


def _check_versions(job: Job, packages: Sequence[_Package]) -> None:
    for pin in job.wanted:
        package = _package(pin, packages)
        if pin.version != package.module_version:
            raise MldeployError(
                f"{job.source / 'go.mod'}: has {package.path} {package.module_version}, tools.toml says {pin.version}",
                remedy="write the same version in both, and run go mod tidy in that folder",
            )


def _keep(job: Job, packages: Sequence[_Package], out: Path, *, seconds: float) -> None:
    """Install the programs that are finished: the linker moves each into `out` in one step, so it is whole."""
    for pin in job.wanted:
        package = _package(pin, packages)
        if not (out / package.program).is_file():
            continue
        files = {pin.binary: out / package.program}
        for name in pin.files:
            files |= _copied(package.module_folder, name)
        manifest = store.Manifest(
            name=pin.name,
            version=pin.version,
            key=job.pins.key(pin),
            source=f"built by Go {job.go.version}",
            program=pin.binary,
            files={},
            seconds=round(seconds, 1),
        )
        store.add(manifest, files)


def _copied(module: Path, name: str) -> dict[str, Path]:
    source = module / name
    found = [source] if source.is_file() else [path for path in sorted(source.rglob("*")) if path.is_file()]
    if not found:
        raise MldeployError(f"{module.name} has no {name}", remedy="correct `files` in scripts/toolchain/tools.toml")
    return {path.relative_to(module).as_posix(): path for path in found}


def _run(argv: Sequence[str | Path], cwd: Path, running: Running, read: Callable[[str], None]) -> None:
    child = running.start(argv, cwd, caches.environment())
    lines: list[str] = []
    with child.stdout or nullcontext(()) as output:
        for line in output:
            lines.append(line.rstrip("\n"))
            read(lines[-1])
    if child.wait() != 0:
        raise explain([line for line in lines if not line.startswith(("=\t", "go: downloading "))], cwd)
