"""Which store an environment's secrets are in, and the way to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mldeploy.errors import MldeployError
from mldeploy.secrets.sources import NamespaceSource, Source
from mldeploy.secrets.vault import VaultSource
from mldeploy.smoke.kube import ApiClient
from mldeploy.vault.access import declared
from mldeploy.vault.client import administered

# The environments whose store is a namespace of their own cluster (deployments/published).
IN_CLUSTER = ("dev",)


def check_writable(root: Path, environment: str) -> None:
    """Refuse an environment whose store is never in its cluster: its own tools write it.

    Raises:
        MldeployError: it is such a one.
    """
    if environment in IN_CLUSTER or declared(root, environment):
        return
    raise MldeployError(
        f"{environment}: its secrets are in a store outside the cluster, which is not written from here",
        remedy=f"write them there; {', '.join(IN_CLUSTER)} can be written, and what has a Vault in its cluster",
    )


@contextmanager
def opened(root: Path, environment: str, api: ApiClient, *, kubeconfig: Path | None, context: str) -> Iterator[Source]:
    """Give the store of an environment that `check_writable` lets pass, while the block runs.

    Args:
        root: the checkout.
        environment: whose secrets.
        api: a client of the cluster.
        kubeconfig: the file that names the cluster; None: as kubectl finds it.
        context: the context in it; empty: the current one.

    Raises:
        MldeployError: its Vault is not in the cluster, or not ready.
    """
    store = declared(root, environment)
    if store is None:
        yield NamespaceSource(api, environment)
        return
    with administered(kubeconfig, context, environment=environment) as vault:
        yield VaultSource(vault, store, environment)
