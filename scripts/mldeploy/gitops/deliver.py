"""What `git push` is to a real repository, on the embedded cluster: a commit is served, and who follows it is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mldeploy.cluster import Cluster
from mldeploy.gitops import argocd, flux, repository
from mldeploy.progress import Progress


@dataclass(frozen=True)
class Delivered:
    """What is served now.

    Attributes:
        commit: the checkout's, on the branch `main`.
        published: the commit of the rendered manifests, by environment that Flux deploys.
    """

    commit: str
    published: Mapping[str, str]


def deliver(root: Path, cluster: Cluster, progress: Progress) -> Delivered:
    """Put a checkout's commit into the repository inside a cluster, and publish it there for Flux, where that runs.

    Args:
        root: the checkout; what is not committed is not delivered.
        cluster: the embedded one, with the repository that `repository.serve` has started.
        progress: told what is published.

    Raises:
        RefusedError: what is rendered may not be published.
        MldeployError: there is no commit, it does not render for Flux, or the repository is not served.
    """
    commit = repository.push(root, cluster)
    argocd.refresh(cluster)
    published = {name: flux.publish(root, cluster, name, progress) for name in flux.followed(cluster)}
    if published:
        flux.refresh(cluster)
    return Delivered(commit, published)
