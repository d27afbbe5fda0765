"""The cluster that the user's own kubeconfig points at: EKS, GKE, AKS, on-premises. Used, never started or ended."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import yaml

from mldeploy.cluster.provider import ClusterStatus
from mldeploy.errors import MldeployError, RefusedError
from mldeploy.progress import Progress


@dataclass(frozen=True)
class CurrentCluster:
    """See `mldeploy.cluster.provider.Cluster`.

    Attributes:
        kubeconfig: the file of the user's that has the current context.
        context: that context.
        server: its API server's address.
    """

    kubeconfig: Path
    context: str
    server: str

    @property
    def name(self) -> str:
        """Its context is its name."""
        return self.context

    def up(self, progress: Progress, *, port: int | None = None) -> None:
        """Nothing to do: it runs, or it is not ours to start."""
        del port
        progress.note(f"using the current context {self.context} ({self.server}); nothing was started")

    def down(self, progress: Progress) -> None:
        """Refuse: it is not ours to end."""
        del progress
        raise RefusedError(
            f"context {self.context} is not a cluster that mldeploy made: it is not ended",
            remedy="uninstall the releases with helmfile destroy",
        )

    def status(self) -> ClusterStatus:
        """See `Cluster.status`."""
        return ClusterStatus(self.name, "current", "ready", self.context, self.kubeconfig, server=self.server)

    def load_image(self, archive: Path, progress: Progress) -> bool:
        """Refuse: its nodes pull from a registry."""
        del progress
        raise MldeployError(
            f"{archive}: context {self.context} gets its images from a registry, not from this machine",
            remedy="run mldeploy image push REGISTRY/REPOSITORY, and set image.repository in the values",
        )

    def logs(self, component: str, *, follow: bool) -> list[str]:
        """Refuse: its components' logs are its provider's."""
        del follow
        raise MldeployError(
            f"the logs of {component} are with whoever runs context {self.context}", remedy="see the provider's console"
        )


def current_cluster() -> CurrentCluster:
    """Read which cluster `kubectl` would use now: `KUBECONFIG`, else ~/.kube/config.

    Raises:
        MldeployError: there is no kubeconfig, it cannot be read, or it has no current context.
    """
    named = [Path(part) for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    files = [path for path in named or [Path.home() / ".kube" / "config"] if path.is_file()]
    remedy = "set KUBECONFIG, or kubectl config use-context NAME"
    if not files:
        raise MldeployError("provider current: no kubeconfig", remedy=remedy)
    try:
        parts = [(path, yaml.safe_load(path.read_text("utf-8")) or {}) for path in files]
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise MldeployError(f"{files[0]}: not a kubeconfig ({error})", remedy=remedy) from error
    context = next((content["current-context"] for _, content in parts if content.get("current-context")), "")
    for path, content in parts:
        for one in content.get("contexts") or []:
            if context and one.get("name") == context:
                cluster = one.get("context", {}).get("cluster", "")
                return CurrentCluster(path, context, _server(cluster, [content for _, content in parts]))
    raise MldeployError(f"{files[0]}: no current context", remedy=remedy)


def _server(cluster: str, contents: list[dict[str, object]]) -> str:
    for content in contents:
        clusters = content.get("clusters")
        for one in clusters if isinstance(clusters, list) else []:
            if one.get("name") == cluster:
                return str(one.get("cluster", {}).get("server", ""))
    return ""
