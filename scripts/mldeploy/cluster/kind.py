"""A cluster of kind's, where Docker (or podman) runs."""

from __future__ import annotations

import shutil
from pathlib import Path

from mldeploy import process
from mldeploy.cluster.placed import Placed
from mldeploy.cluster.provider import ClusterStatus
from mldeploy.errors import MldeployError
from mldeploy.progress import Progress

_UP_S = 600.0
_DOWN_S = 120.0
_LOAD_S = 600.0
_SHORT_S = 30.0


class KindCluster(Placed):
    """See `mldeploy.cluster.provider.Cluster`; kind itself calls it `mldeploy-<name>`."""

    @property
    def context(self) -> str:
        """The context as kind names it."""
        return f"kind-{self._cluster}"

    @property
    def _cluster(self) -> str:
        return self.place.context

    def up(self, progress: Progress, *, port: int | None = None) -> None:
        """See `Cluster.up`."""
        kind = _kind()
        if port is not None:
            raise MldeployError("kind chooses the port itself", remedy="leave --port out")
        self.place.folder.mkdir(parents=True, exist_ok=True)
        if self._exists(kind):
            command = [kind, "export", "kubeconfig", "--name", self._cluster, "--kubeconfig", str(self.kubeconfig)]
            process.run(command, timeout_s=_SHORT_S)
            return
        with progress.step(f"Creating kind cluster {self._cluster}", key="cluster kind"):
            wait = f"{_UP_S:.0f}s"
            process.run(
                [kind, "create", "cluster", "--name", self._cluster, "--kubeconfig", self.kubeconfig, "--wait", wait],
                timeout_s=_UP_S + _SHORT_S,
            )

    def down(self, progress: Progress) -> None:
        """See `Cluster.down`."""
        kind = _kind()
        with progress.step(f"Deleting kind cluster {self._cluster}", key="cluster kind down"):
            command = [kind, "delete", "cluster", "--name", self._cluster, "--kubeconfig", str(self.kubeconfig)]
            process.run(command, timeout_s=_DOWN_S)
        self.kubeconfig.unlink(missing_ok=True)

    def status(self) -> ClusterStatus:
        """See `Cluster.status`."""
        state = "ready" if self._exists(_kind()) else "stopped"
        return ClusterStatus(self.name, "kind", state, self.context, self.kubeconfig)

    def load_image(self, archive: Path, progress: Progress) -> bool:
        """See `Cluster.load_image`; kind itself decides what is there already, so this is always True."""
        with progress.step(f"Loading {archive.name} into {self._cluster}", key="cluster kind load"):
            process.run([_kind(), "load", "image-archive", archive, "--name", self._cluster], timeout_s=_LOAD_S)
        return True

    def logs(self, component: str, *, follow: bool) -> list[str]:
        """See `Cluster.logs`."""
        node = f"{self._cluster}-control-plane"
        unit = ["docker", "exec", node, "journalctl", "--no-pager", "--unit", component]
        return [*unit, *(["--follow"] if follow else [])]

    def _exists(self, kind: str) -> bool:
        return self._cluster in process.run([kind, "get", "clusters"], timeout_s=_SHORT_S).stdout.split()


def _kind() -> str:
    """Find kind, and the container engine that it needs.

    Raises:
        MldeployError: either is missing.
    """
    if not any(shutil.which(engine) for engine in ("docker", "podman", "nerdctl")):
        raise MldeployError(
            "provider kind needs a container engine, and neither docker, podman nor nerdctl is here",
            remedy="install Docker, or use --provider embedded (Linux, root)",
        )
    found = shutil.which("kind")
    if found is None:
        raise MldeployError("kind is not installed", remedy="see https://kind.sigs.k8s.io, or use --provider embedded")
    return found
