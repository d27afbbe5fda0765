"""Where a cluster's files are, on the host and inside its namespaces, and the addresses that every cluster uses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mldeploy import paths
from mldeploy.errors import MldeployError

# Every cluster has these: nothing of them shows outside its network namespace.
NODE_ADDRESS = "10.200.0.1"
NODE_NETWORK = "10.200.0.1/24"
POD_NETWORK = "10.244.0.0/16"
NODE_POD_NETWORK = "10.244.0.0/24"
SERVICE_NETWORK = "10.96.0.0/16"
API_SERVICE_ADDRESS = "10.96.0.1"
DNS_ADDRESS = "10.96.0.10"
API_PORT = 6443
CLUSTER_DOMAIN = "cluster.local"

# Inside its mount namespace the cluster's folder is always here: short enough for Unix sockets (108 bytes) however
# deep the checkout is, and the same for every cluster, so that a snapshot fits all.
INSIDE = Path("/run/mldeploy")
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?")


def checked_name(name: str) -> str:
    """Give `name` back when it may name a cluster, a node and a kubeconfig context.

    Raises:
        MldeployError: it is not a DNS label of at most 32 characters.
    """
    if not _NAME.fullmatch(name):
        raise MldeployError(
            f"cluster name {name!r}: not a DNS label of at most 32 characters",
            remedy="use lower-case letters, digits and hyphens, such as local or test-1",
        )
    return name


@dataclass(frozen=True)
class Layout:
    """The files of one cluster.

    Attributes:
        folder: the cluster's folder on the host.
        name: the cluster's name.
    """

    folder: Path
    name: str

    @property
    def context(self) -> str:
        """The kubeconfig's context."""
        return f"mldeploy-{self.name}"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig for the host, through the forward."""
        return self.folder / "kubeconfig"

    @property
    def record(self) -> Path:
        """What runs: see `record.py`."""
        return self.folder / "cluster.json"

    @property
    def port(self) -> Path:
        """The host's port of the last run."""
        return self.folder / "port"

    @property
    def lock(self) -> Path:
        """Held by whoever changes the cluster."""
        return self.folder / "lock"

    @property
    def snapshot(self) -> Path:
        """The bootstrapped state that later starts begin from."""
        return self.folder / "snapshot"

    @property
    def keeper_log(self) -> Path:
        """What the keeper and the forward had to say."""
        return self.folder / "keeper.log"

    @property
    def node(self) -> Path:
        """The folder that is `INSIDE` in the cluster's mount namespace."""
        return self.folder / "node"

    @property
    def pki(self) -> Path:
        """Keys and certificates."""
        return self.node / "pki"

    @property
    def config(self) -> Path:
        """The components' configuration files."""
        return self.node / "config"

    @property
    def services(self) -> Path:
        """The supervisor's scan folder, one folder a component."""
        return self.node / "service"

    @property
    def logs(self) -> Path:
        """One folder of rotated log files for each component."""
        return self.node / "log"

    def component_log(self, component: str) -> Path:
        """The file that a component's newest lines are in."""
        return self.logs / component / "current"


def inside(*parts: str) -> str:
    """Give the path that a file of the cluster's folder has inside its mount namespace."""
    return str(INSIDE.joinpath(*parts))


def layout(root: Path, name: str) -> Layout:
    """Give the layout of cluster `name` of the checkout `root`."""
    return Layout(paths.state(root) / "clusters" / checked_name(name), name)
