"""Programs that the distribution has: which are missing, and their installation where it may be done."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from mldeploy import process
from mldeploy.errors import MldeployError
from mldeploy.progress import Progress

# Root's PATH under sudo or cron may lack the sbin folders, where half of these are.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_UPDATE_TIMEOUT_S = 300.0
_INSTALL_TIMEOUT_S = 1200.0
# Another apt-get (unattended upgrades) is waited for.
_APT = ("apt-get", "--quiet", "--option", "DPkg::Lock::Timeout=300")


@dataclass(frozen=True)
class Package:
    """A package of Debian and Ubuntu; `proof` is the program, or the absolute file, that must be there."""

    name: str
    proof: str
    purpose: str


PACKAGES = (
    Package("buildah", "buildah", "builds images where there is no Docker"),
    Package("ca-certificates", "/etc/ssl/certs/ca-certificates.crt", "fetching over HTTPS"),
    Package("catatonit", "catatonit", "the first process of a pod's sandbox"),
    Package("debian-archive-keyring", "/usr/share/keyrings/debian-archive-keyring.gpg", "verifies base images"),
    Package("iproute2", "ip", "the cluster's network"),
    Package("iptables", "iptables", "Services inside the cluster"),
    Package("kmod", "modprobe", "kernel modules of the cluster's network"),
    Package("mmdebstrap", "mmdebstrap", "makes base images"),
    Package("redis-tools", "redis-check-rdb", "Redis, for the service's tests"),
    Package("runc", "runc", "runs containers, with seccomp"),
    Package("s6", "s6-svscan", "keeps the cluster's components running"),
    Package("util-linux", "unshare", "the cluster's namespaces"),
)


def missing_packages() -> list[Package]:
    """List the packages of which this machine lacks what is needed, however it would have come there."""
    return [package for package in PACKAGES if not _is_there(package.proof)]


def install_line(packages: list[Package]) -> str:
    """Write the one line that installs packages on Debian and Ubuntu."""
    sudo = "" if os.geteuid() == 0 else "sudo "
    return f"{sudo}apt-get install --yes --no-install-recommends {' '.join(package.name for package in packages)}"


def install_packages(progress: Progress) -> list[str]:
    """Install what is missing, with apt-get, where this process may: as root on Debian or Ubuntu.

    Returns:
        The names of the packages that were installed; empty when nothing was to do.

    Raises:
        MldeployError: it may not, or apt-get failed; the remedy is the one line that does it.
    """
    missing = missing_packages()
    if not missing:
        return []
    names = [package.name for package in missing]
    listed = ", ".join(names)
    if os.geteuid() != 0 or shutil.which("apt-get", path=PATH) is None:
        raise MldeployError(f"not installed: {listed}", remedy=f"run: {install_line(missing)}")
    with progress.step(f"Installing {listed} (apt-get)", key="apt-get") as step:
        environment = {"DEBIAN_FRONTEND": "noninteractive", "PATH": PATH}
        try:
            step.update("reading the package lists")
            # Some source of the user's may be broken without harm: what counts is whether the packages are found.
            process.run([*_APT, "update"], timeout_s=_UPDATE_TIMEOUT_S, env=environment, ok=range(256))
            step.update("installing")
            process.run(
                [*_APT, "install", "--yes", "--no-install-recommends", *names],
                timeout_s=_INSTALL_TIMEOUT_S,
                env=environment,
            )
        except process.ProcessError as error:
            raise MldeployError(
                f"apt-get could not install {listed}: {_reason(error)}",
                remedy=f"check the network and apt's sources, then run: {install_line(missing)}",
            ) from error
    if still := [package.name for package in missing_packages()]:
        raise MldeployError(f"apt-get installed {listed}, yet these are not there: {', '.join(still)}")
    return names


def _is_there(proof: str) -> bool:
    return Path(proof).is_file() if proof.startswith("/") else shutil.which(proof, path=PATH) is not None


def _reason(error: process.ProcessError) -> str:
    told = [line for line in (error.stderr + error.stdout).splitlines() if line.startswith(("E:", "Err:"))]
    return " ".join(told[:3]) or error.message
