"""Argo CD on the embedded cluster: its pinned programs and manifests, gitops/argocd, and the repository in there."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml

from mldeploy.cluster import Cluster
from mldeploy.cluster.kubectl import Kubectl
from mldeploy.gitops import kustomization
from mldeploy.gitops.images import argocd_image
from mldeploy.gitops.repository import URL, push, serve
from mldeploy.gitops.status import await_deployed
from mldeploy.image import build
from mldeploy.progress import Progress
from mldeploy.toolchain import tool_file
from mldeploy.values import Workspace

Source = Literal["chart", "rendered"]
_BRANCHES: dict[Source, str] = {"chart": "main", "rendered": "rendered"}
NAMESPACE = "argocd"
_GROUP = "argoproj.io"
# The parts of Argo CD's own manifests that are used, below manifests/ of its repository: all but Dex.
PARTS = (
    "crds",
    "base/application-controller",
    "base/applicationset-controller",
    "base/config",
    "base/notification",
    "base/redis",
    "base/repo-server",
    "base/server",
)
_WORKLOADS = (
    "deployment/argocd-redis",
    "deployment/argocd-repo-server",
    "deployment/argocd-applicationset-controller",
    "deployment/argocd-notifications-controller",
    "deployment/argocd-server",
    "statefulset/argocd-application-controller",
)
_READY_S = 300.0
_DEPLOYED_S = 300.0


def up(root: Path, cluster: Cluster, environment: str, progress: Progress, *, source: Source = "chart") -> str:
    """Make Argo CD run in a cluster and deploy an environment from the checkout's commit, served inside the cluster.

    It ends when the commit is deployed, and well.

    Args:
        root: the checkout; what is not committed is not deployed.
        cluster: the embedded one, whose node has the services' images.
        environment: which environment the cluster is for.
        progress: told each step.
        source: what Argo CD reads, a folder of gitops/argocd/sources. For "rendered" the checkout's branch of that name
            (`mldeploy gitops publish`) is served too.

    Returns:
        The commit that is deployed.

    Raises:
        MldeployError: a program is not installed, an image cannot be built, or something is not ready in time.
    """
    serve(cluster, progress)
    commit = push(root, cluster)
    if source == "rendered":
        commit = push(root, cluster, revision=_BRANCHES[source], branch=_BRANCHES[source])
    image, redis = argocd_image(progress), build(root, "redis", progress)
    for archive in (image.archive, redis.archive):
        cluster.load_image(archive, progress)
    kubectl = Kubectl.of(cluster)
    with progress.step("Starting Argo CD", key="gitops argocd") as step:
        kubectl.apply(kustomization.build(root, "argocd", installation(root, image.reference, redis.reference)))
        kubectl.wait("condition=Established", "crd", "--all", timeout_s=_READY_S)
        kubectl.apply(kustomization.build(root, "argocd-services", services(root, environment, source)))
        for workload in _WORKLOADS:
            step.update(workload)
            kubectl.await_rollout(NAMESPACE, workload, timeout_s=_READY_S)
        step.update("applications")
        names = [release.name for release in Workspace(root).releases(environment)]
        applications = [f"application/{name}" for name in names]
        # One that was looked at before the rest could answer is looked at again after three minutes only, unless asked.
        again = f"argocd.{_GROUP}/application-set-refresh=true"
        kubectl("annotate", f"applicationsets.{_GROUP}", "--all", "--namespace", NAMESPACE, "--overwrite", again)
        # What it finds out about a branch it keeps for minutes: it is asked anew when it knows which one is meant.
        for condition in ("create", f"jsonpath={{.spec.source.targetRevision}}={_BRANCHES[source]}"):
            kubectl.wait(condition, *applications, "--namespace", NAMESPACE, timeout_s=_READY_S)
    refresh(cluster)
    await_deployed(cluster.kubeconfig, cluster.context, names, commit, progress, timeout_s=_DEPLOYED_S)
    return commit


def installed(cluster: Cluster) -> bool:
    """Tell whether a cluster has Argo CD's kinds.

    Raises:
        ProcessError: the cluster refuses.
    """
    name = f"applications.{_GROUP}"
    return bool(Kubectl.of(cluster)("get", "crd", name, "--ignore-not-found", "--output", "name"))


def refresh(cluster: Cluster) -> None:
    """Make Argo CD look at its repository now, as a webhook does; without it, it looks every two minutes.

    A cluster without Argo CD is left alone.

    Raises:
        ProcessError: the cluster refuses.
    """
    if not installed(cluster):
        return
    kubectl = Kubectl.of(cluster)
    if found := kubectl("get", f"applications.{_GROUP}", "--namespace", NAMESPACE, "--output", "name").split():
        kubectl("annotate", *found, "--namespace", NAMESPACE, "--overwrite", f"argocd.{_GROUP}/refresh=normal")


def installation(root: Path, image: str, redis: str) -> dict[str, Any]:
    """Give the kustomization of Argo CD itself: upstream's manifests from the pinned module, and gitops/argocd/install.

    Args:
        root: the checkout.
        image: the reference of Argo CD's image.
        redis: the reference of Redis's.
    """
    loaded = [{"op": "replace", "path": "/spec/template/spec/containers/0/imagePullPolicy", "value": "IfNotPresent"}]
    # The image has no gpg: commits that are pushed through a port-forward have no signatures to check.
    unsigned = [
        {
            "op": "add",
            "path": "/spec/template/spec/containers/0/env/-",
            "value": {"name": "ARGOCD_GPG_ENABLED", "value": "false"},
        }
    ]
    return {
        "resources": [str(tool_file("argocd", f"manifests/{part}")) for part in PARTS],
        "components": [str(root / "gitops" / "argocd" / "install")],
        "images": [
            kustomization.image("quay.io/argoproj/argocd", image),
            kustomization.image("public.ecr.aws/docker/library/redis", redis),
        ],
        "patches": [
            {"target": {"kind": "Deployment|StatefulSet"}, "patch": yaml.safe_dump(loaded)},
            {"target": {"kind": "Deployment", "name": "argocd-repo-server"}, "patch": yaml.safe_dump(unsigned)},
        ],
    }


def services(root: Path, environment: str, source: Source) -> dict[str, Any]:
    """Give the kustomization of what Argo CD deploys: one environment, from the repository in the cluster."""
    folder = root / "gitops" / "argocd"
    from_cluster = [{"op": "replace", "path": "/spec/template/spec/source/repoURL", "value": URL}]
    allowed = [{"op": "replace", "path": "/spec/sourceRepos", "value": [URL]}]
    return {
        "resources": [str(folder / "environments" / environment), str(folder / "sources" / source)],
        "patches": [
            {"target": {"kind": "ApplicationSet"}, "patch": yaml.safe_dump(from_cluster)},
            {"target": {"kind": "AppProject", "name": "ml-services"}, "patch": yaml.safe_dump(allowed)},
        ],
    }
