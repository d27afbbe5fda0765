"""Real clusters to deploy to: an embedded one on this machine, kind's, or whatever the current context is."""

from __future__ import annotations

from mldeploy.cluster.apiserver import ApiServer, api_server
from mldeploy.cluster.opening import DEFAULT_NAME, PROVIDERS, open_cluster
from mldeploy.cluster.provider import Cluster, ClusterStatus, ComponentStatus

__all__ = [
    "DEFAULT_NAME",
    "PROVIDERS",
    "ApiServer",
    "Cluster",
    "ClusterStatus",
    "ComponentStatus",
    "api_server",
    "open_cluster",
]
