"""What every provider of a cluster can do, and what it tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from mldeploy.progress import Progress


@dataclass(frozen=True)
class ComponentStatus:
    """One component of an embedded cluster.

    Attributes:
        name: as `logs` takes it.
        running: whether its process runs.
        pid: the host's number of that process, 0 when it does not run.
        seconds: for how long it has been running, or not.
        resident: bytes of memory that it holds, its share of what several hold.
    """

    name: str
    running: bool
    pid: int
    seconds: int
    resident: int


@dataclass(frozen=True)
class ClusterStatus:
    """What a cluster is doing.

    Attributes:
        name, provider: which one it is.
        state: "ready", "not ready" (something runs) or "stopped".
        context, kubeconfig: how to reach it.
        server: the API server's address on this host, "" when unknown.
        node: "Ready" or why not, "" when there is no answer.
        first_pid: the process whose end is the end of an embedded cluster, 0 for others.
        components: an embedded cluster's.
        images: the references of the images on an embedded cluster's node.
        resident: bytes of memory that all its processes hold, its pods' included.
    """

    name: str
    provider: str
    state: str
    context: str
    kubeconfig: Path
    server: str = ""
    node: str = ""
    first_pid: int = 0
    components: tuple[ComponentStatus, ...] = ()
    images: tuple[str, ...] = field(default=())
    resident: int = 0


class Cluster(Protocol):
    """One cluster, whoever provides it."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig that reaches it."""

    @property
    def context(self) -> str:
        """Its context in that kubeconfig."""

    def up(self, progress: Progress, *, port: int | None = None) -> None:
        """Make it run; one that runs is left as it is.

        Args:
            progress: told each step.
            port: the API server's on 127.0.0.1; default: the last run's, or a free one.

        Raises:
            RefusedError: another mldeploy is changing it.
            MldeployError: it cannot be started; nothing half-started is left running.
        """

    def down(self, progress: Progress) -> None:
        """End it and remove all that it had; none running, or half of one, is no error.

        Raises:
            RefusedError: another mldeploy is changing it, or it is not this repository's to end.
            MldeployError: something would not end.
        """

    def status(self) -> ClusterStatus:
        """Tell what it is doing."""

    def load_image(self, archive: Path, progress: Progress) -> bool:
        """Give the node the images of an OCI archive, unless it has them.

        Returns:
            Whether anything was loaded.

        Raises:
            MldeployError: it does not run, the file is no archive, or images come by another way (the remedy says how).
        """

    def logs(self, component: str, *, follow: bool) -> list[str]:
        """Give the command that shows a component's log, oldest line first.

        Raises:
            MldeployError: there is no such component, or none of its logs; the message lists those that there are.
        """
