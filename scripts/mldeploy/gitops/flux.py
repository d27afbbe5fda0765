"""Flux on the embedded cluster: its pinned controllers, gitops/flux, and the repository in there."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import yaml

from mldeploy.cluster import Cluster
from mldeploy.cluster.kubectl import Kubectl
from mldeploy.gitops import kustomization
from mldeploy.gitops.branch import Branch
from mldeploy.gitops.publish import to_branch
from mldeploy.gitops.repository import URL, pushing, serve
from mldeploy.gitops.status import await_deployed
from mldeploy.progress import Progress
from mldeploy.published.images import of_programs
from mldeploy.toolchain import tool_file
from mldeploy.values import Workspace

NAMESPACE = "flux-system"
CONTROLLERS = ("source-controller", "kustomize-controller")
BRANCH = "rendered"
_KIND = "kustomizations.kustomize.toolkit.fluxcd.io"
_READY_S = 300.0
_DEPLOYED_S = 300.0


def up(root: Path, cluster: Cluster, environment: str, progress: Progress) -> str:
    """Make Flux run in a cluster and deploy an environment from the checkout's commit, published inside the cluster.

    It ends when the commit is deployed, and well.

    Args:
        root: the checkout; what is not committed is not deployed.
        cluster: the embedded one, whose node has the services' images.
        environment: which environment the cluster is for.
        progress: told each step.

    Returns:
        The commit of the published manifests.

    Raises:
        RefusedError: as `start`.
        MldeployError: as `start`; or it is not deployed in time, as where the environment has no store of secrets.
    """
    commit = start(root, cluster, environment, progress)
    refresh(cluster)
    names = [release.name for release in Workspace(root).releases(environment)]
    await_deployed(cluster.kubeconfig, cluster.context, names, commit, progress, timeout_s=_DEPLOYED_S)
    return commit


def start(root: Path, cluster: Cluster, environment: str, progress: Progress) -> str:
    """Make Flux run in a cluster and follow what the checkout's commit publishes there.

    Args:
        root: the checkout; what is not committed is not deployed.
        cluster: the embedded one, whose node has the services' images.
        environment: which environment the cluster is for.
        progress: told each step.

    Returns:
        The commit of the published manifests.

    Raises:
        RefusedError: what is rendered may not be published.
        MldeployError: a program is not installed, an image cannot be built, or something is not ready in time.
    """
    serve(cluster, progress)
    commit = publish(root, cluster, environment, progress)
    built = of_programs("flux", CONTROLLERS, progress)
    cluster.load_image(built.archive, progress)
    kubectl = Kubectl.of(cluster)
    with progress.step("Starting Flux", key="gitops flux") as step:
        kubectl.apply(kustomization.build(root, "flux", installation(root, built.references)))
        kubectl.wait("condition=Established", "crd", "--all", timeout_s=_READY_S)
        kubectl.apply(kustomization.build(root, "flux-services", services(root, environment)))
        for name in CONTROLLERS:
            step.update(name)
            kubectl.await_rollout(NAMESPACE, f"deployment/{name}", timeout_s=_READY_S)
    return commit


def publish(root: Path, cluster: Cluster, environment: str, progress: Progress) -> str:
    """Publish the checkout's commit into the repository inside the cluster.

    Returns:
        The commit of the published manifests, which is an earlier one where they are the same.

    Raises:
        RefusedError: what is rendered may not be published.
        MldeployError: it does not render, or the repository is not served.
    """
    with (
        progress.step(f"Publishing {environment}", key="gitops publish"),
        pushing(cluster) as address,
    ):
        branch = Branch(root, BRANCH, address)
        return to_branch(branch, head="HEAD", wanted=[environment]).commit or branch.tip()


def followed(cluster: Cluster) -> list[str]:
    """List the environments that Flux deploys on a cluster; none where it has no Flux.

    Raises:
        ProcessError: the cluster refuses.
    """
    kubectl = Kubectl.of(cluster)
    if not kubectl("get", "crd", _KIND, "--ignore-not-found", "--output", "name"):
        return []
    label = "jsonpath={.items[*].metadata.labels.environment}"
    return sorted(set(kubectl("get", _KIND, "--namespace", NAMESPACE, "--output", label).split()))


def refresh(cluster: Cluster) -> None:
    """Make Flux look at its repository now, as a webhook does, and at what it has deployed; else it does so in minutes.

    Raises:
        ProcessError: the cluster refuses, or has no Flux.
    """
    asked = f"reconcile.fluxcd.io/requestedAt={time.time_ns()}"
    for kind in ("gitrepositories", "kustomizations"):
        Kubectl.of(cluster)("annotate", kind, "--all", "--namespace", NAMESPACE, "--overwrite", asked)


def installation(root: Path, references: dict[str, str]) -> dict[str, Any]:
    """Give the kustomization of Flux itself: upstream's manifests from the pinned modules, and gitops/flux/install.

    Args:
        root: the checkout.
        references: each controller's image.
    """
    return {
        "resources": [str(tool_file(name, f"config/{part}")) for name in CONTROLLERS for part in ("crd", "manager")],
        "components": [str(root / "gitops" / "flux" / "install")],
        "images": [kustomization.image(f"fluxcd/{name}", references[name]) for name in CONTROLLERS],
    }


def services(root: Path, environment: str) -> dict[str, Any]:
    """Give the kustomization of what Flux deploys: one environment, from the repository in the cluster."""
    folder = root / "gitops" / "flux"
    from_cluster = [{"op": "replace", "path": "/spec/url", "value": URL}]
    return {
        "resources": [str(folder / "environments" / environment), str(folder / "sources" / "rendered" / environment)],
        "patches": [{"target": {"kind": "GitRepository"}, "patch": yaml.safe_dump(from_cluster)}],
    }
