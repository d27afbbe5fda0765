"""Opens a cluster by its provider."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mldeploy.errors import MldeployError

if TYPE_CHECKING:
    from mldeploy.cluster.provider import Cluster

PROVIDERS = ("embedded", "kind", "current")
DEFAULT_NAME = "local"


def open_cluster(root: Path, provider: str = "embedded", name: str = DEFAULT_NAME) -> Cluster:
    """Give a cluster to work with; nothing is started.

    Args:
        root: the checkout, whose state folder an embedded cluster lives in.
        provider: "embedded" (a node on this machine; Linux, root), "kind" (where Docker runs) or "current" (the current
            context of the user's own kubeconfig).
        name: of the cluster; "current" has no other than its context.

    Raises:
        MldeployError: there is no such provider, or the name cannot be one.
    """
    if provider == "embedded":
        from mldeploy.cluster.embedded import EmbeddedCluster
        from mldeploy.cluster.layout import layout

        return EmbeddedCluster(layout(root, name))
    if provider == "kind":
        from mldeploy.cluster.kind import KindCluster
        from mldeploy.cluster.layout import layout

        return KindCluster(layout(root, name))
    if provider == "current":
        from mldeploy.cluster.current import current_cluster

        return current_cluster()
    raise MldeployError(f"no such cluster provider: {provider}", remedy=f"choose one of {', '.join(PROVIDERS)}")
