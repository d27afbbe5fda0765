"""The cluster's own cgroup, in every hierarchy that the host has (version 1 and 2): made before, removed after."""

from __future__ import annotations

import os
import select
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mldeploy.errors import MldeployError

_END_S = 10.0
_REMOVE_S = 5.0
_PAUSE_S = 0.02
_WANTED = ("cpuset", "cpu", "io", "memory", "hugetlb", "pids")
_SHARES_PER_CPU = 1024
_WEIGHT_PER_CPU, _MOST_WEIGHT = 100, 10_000


@dataclass(frozen=True)
class Hierarchy:
    """One mounted cgroup hierarchy; `version` is 1 or 2."""

    mount: Path
    version: int
    controllers: frozenset[str]


def hierarchies(mounts: Path = Path("/proc/self/mounts")) -> list[Hierarchy]:
    """List the host's cgroup hierarchies (a read-only one is left out: nothing can be made in it)."""
    found: dict[Path, Hierarchy] = {}
    for line in mounts.read_text("utf-8").splitlines():
        _, where, kind, options = line.split()[:4]
        words = frozenset(options.split(","))
        if kind not in {"cgroup", "cgroup2"} or "ro" in words:
            continue
        mount = Path(where.encode().decode("unicode_escape"))
        if kind == "cgroup":
            found[mount] = Hierarchy(mount, 1, words)
        else:
            available = (mount / "cgroup.controllers").read_text("ascii").split()
            found[mount] = Hierarchy(mount, 2, frozenset(available))
    return list(found.values())


def create(name: str, *, mounts: Path = Path("/proc/self/mounts")) -> None:
    """Make cgroup `name` (no slash) below the root of each hierarchy, with the CPU share of a whole machine.

    Raises:
        MldeployError: there is no hierarchy to make it in, or it may not be made.
    """
    found = hierarchies(mounts)
    if not any("memory" in one.controllers for one in found):
        raise MldeployError(
            "no writable cgroup hierarchy with the memory controller",
            remedy="mount /sys/fs/cgroup writable; in a container run it with --privileged --cgroupns=private",
        )
    cpus = os.cpu_count() or 1
    for one in found:
        try:
            if one.version == 2:
                _delegate(one)
            folder = one.mount / name
            folder.mkdir(exist_ok=True)
            if one.version == 1 and "cpuset" in one.controllers:
                # An empty set, which is how version 1 begins, accepts no process.
                for key in ("cpuset.cpus", "cpuset.mems"):
                    (folder / key).write_text((one.mount / key).read_text("ascii"), "ascii")
            _weigh(folder, cpus)
        except OSError as error:
            remove(name, mounts=mounts)
            raise MldeployError(
                f"{error.filename or one.mount}: cgroup {name} cannot be made ({error.strerror})",
                remedy="run as root; in a container run it with --privileged --cgroupns=private",
            ) from error


def remove(name: str, *, mounts: Path = Path("/proc/self/mounts")) -> list[Path]:
    """Remove cgroup `name` and all below it from each hierarchy, once its processes have ended.

    Returns:
        What could not be removed within some seconds, because processes are still in it.
    """
    deadline = time.monotonic() + _REMOVE_S
    while True:
        left = [folder for one in hierarchies(mounts) if not _remove_tree(folder := one.mount / name)]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(_PAUSE_S)


def wait_for_end(pidfd: int, *, timeout_s: float = _END_S) -> bool:
    """Wait until the process behind `pidfd` has ended; False when it has not in time."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(timeout_s * 1000))


def _delegate(one: Hierarchy) -> None:
    """Let the root pass on its controllers; version 2 only."""
    control = one.mount / "cgroup.subtree_control"
    missing = [name for name in _WANTED if name in one.controllers and name not in control.read_text("ascii").split()]
    if not missing:
        return
    # A container's root has its processes in it, and version 2 passes nothing on from a cgroup with processes
    # (the machine's own root excepted): they move one level down, as in every image that runs containers inside.
    if (one.mount / "cgroup.type").exists():
        below = one.mount / "mldeploy-init"
        below.mkdir(exist_ok=True)
        for pid in (one.mount / "cgroup.procs").read_text("ascii").split():
            with suppress(ProcessLookupError):
                (below / "cgroup.procs").write_text(pid, "ascii")
    control.write_text(" ".join(f"+{name}" for name in missing), "ascii")


def _weigh(folder: Path, cpus: int) -> None:
    # One cgroup at the root competes with every single process beside it: by default the whole cluster would get as
    # much of a busy machine as one process.
    if (folder / "cpu.shares").exists():
        (folder / "cpu.shares").write_text(str(_SHARES_PER_CPU * cpus), "ascii")
    elif (folder / "cpu.weight").exists():
        (folder / "cpu.weight").write_text(str(min(_WEIGHT_PER_CPU * cpus, _MOST_WEIGHT)), "ascii")


def _remove_tree(top: Path) -> bool:
    for folder, _, _ in os.walk(top, topdown=False):
        with suppress(OSError):
            Path(folder).rmdir()
    return not top.exists()
