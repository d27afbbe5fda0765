"""What the host must have before a cluster can start, and how this host does things."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from mldeploy import process
from mldeploy.errors import MldeployError
from mldeploy.toolchain.packages import PATH, install_line, missing_packages

# The distribution's packages, as the toolchain lists them.
_ALWAYS = frozenset({"iproute2", "s6", "util-linux"})
_NODE = frozenset({"catatonit", "iptables", "runc"})
_NEEDED_BYTES = 1_500_000_000
_SHORT_S = 10.0


def program(name: str) -> Path:
    """Find a program of the distribution.

    Raises:
        MldeployError: it is not installed; the remedy installs it.
    """
    found = shutil.which(name, path=PATH)
    if found is None:
        wanted = [package for package in missing_packages() if package.proof == name]
        raise MldeployError(f"{name} is not installed", remedy=f"run {install_line(wanted)}")
    return Path(found)


def check(folder: Path, *, whole_node: bool) -> None:
    """Refuse, with the remedy, where a cluster could not start.

    Args:
        folder: where its state goes; it, or a parent, exists.
        whole_node: False for an API server alone.

    Raises:
        MldeployError: not Linux, not root, a program or a kernel module missing, or too little space.
    """
    if sys.platform != "linux":
        raise MldeployError(
            "the embedded cluster needs Linux", remedy="use --provider kind (with Docker) or --provider current"
        )
    if os.geteuid() != 0:
        raise MldeployError(
            "the embedded cluster needs root: it makes namespaces, mounts and cgroups",
            remedy="run it again with sudo, or use --provider kind or --provider current",
        )
    needed = _ALWAYS | _NODE if whole_node else _ALWAYS
    missing = [package for package in missing_packages() if package.name in needed]
    if missing:
        names = ", ".join(f"{package.name} ({package.purpose})" for package in missing)
        raise MldeployError(f"not installed: {names}", remedy=f"run {install_line(missing)}")
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if free < _NEEDED_BYTES:
        raise MldeployError(
            f"{existing}: {free / 1e9:.1f} GB free, a cluster needs {_NEEDED_BYTES / 1e9:.1f} GB",
            remedy="free some space, or move the checkout",
        )
    if whole_node:
        _bridge_filter()


def snapshotter(scratch: Path) -> str:
    """Choose how containerd keeps file systems: `overlayfs`, or `native` where overlays cannot be stacked on `scratch`.

    A container's own root is often an overlay, and an overlay's upper folder cannot be on another one.
    """
    folders = [scratch / name for name in ("lower", "upper", "work", "merged")]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    lower, upper, work, merged = folders
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    try:
        process.run(
            [
                "unshare",
                "--mount",
                "--propagation",
                "private",
                "mount",
                "-t",
                "overlay",
                "overlay",
                "-o",
                options,
                merged,
            ],
            timeout_s=_SHORT_S,
        )
    except process.ProcessError:
        return "native"
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return "overlayfs"


def _bridge_filter() -> None:
    """Make sure that traffic between pods passes the firewall, or answers from a Service would come from a pod."""
    if Path("/proc/sys/net/bridge").is_dir():
        return
    try:
        process.run(["modprobe", "br_netfilter"], timeout_s=_SHORT_S)
    except process.ProcessError as error:
        raise MldeployError(
            "the kernel module br_netfilter is missing: Services would not work between pods",
            remedy="modprobe br_netfilter (in a container: on its host)",
        ) from error
