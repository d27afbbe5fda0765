"""The real Argo CD on a real node: deploys dev from a commit, mends drift, survives bad commits, leaves the HPA alone.

The tests of this module go on from each other's state, in their order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mldeploy import process
from mldeploy.cli import gitops as command
from mldeploy.cluster import Cluster
from mldeploy.gitops import argocd
from mldeploy.gitops.branch import Branch
from mldeploy.gitops.deliver import deliver
from mldeploy.gitops.publish import to_branch
from mldeploy.gitops.repository import NAMESPACE as GIT
from mldeploy.gitops.status import Status, await_deployed, statuses
from mldeploy.progress import Quiet
from mldeploy.toolchain import tool
from tests.cluster.by_git import Checkout, answers, ready_images
from tests.cluster.deploying import ROOT, items, this_image
from tests.cluster.support import Kubectl, await_true

NAMES = ("dev-ml-api", "dev-ml-batch")
CONTROLLER = "system:serviceaccount:argocd:argocd-application-controller"
LIMIT_S = 180.0


@pytest.fixture(scope="module")
def checkout(cluster: Cluster, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A checkout that Argo CD deploys; Argo CD and all that it deployed are gone afterwards."""
    made = Checkout(tmp_path_factory.mktemp("checkout"))
    this_image(cluster)
    argocd.up(made.root, cluster, "dev", Quiet())
    yield made
    for kind in ("applicationsets", "applications"):
        kubectl("delete", kind, "--all", "-n", "argocd")
    kubectl("delete", "namespace", "dev", "argocd", GIT, "--wait=true", "--timeout=300s")
    kubectl("delete", "crd", *(f"{kind}.argoproj.io" for kind in ("applications", "applicationsets", "appprojects")))


def deploy(checkout: Checkout, cluster: Cluster, message: str = "") -> str:
    """Commit what was changed, serve it, and let Argo CD know; gives the commit."""
    if message:
        checkout.git("commit", "--quiet", "--all", "--message", message)
    return deliver(checkout.root, cluster, Quiet()).commit


def deployed(cluster: Cluster, commit: str) -> None:
    """Wait until both services are synced to a commit, and well."""
    await_deployed(cluster.kubeconfig, cluster.context, NAMES, commit, Quiet(), timeout_s=LIMIT_S)


def application(cluster: Cluster, name: str = "dev-ml-api") -> Status:
    (found,) = [one for one in statuses(cluster.kubeconfig, cluster.context) if one.name == name]
    return found


@pytest.mark.timeout(1500)  # what it waits for, and all that is set up for it
def test_a_commit_is_deployed(checkout: Checkout, cluster: Cluster, kubectl: Kubectl) -> None:
    deployed(cluster, checkout.git("rev-parse", "HEAD"))
    assert answers(cluster)
    assert {one.environment for one in statuses(cluster.kubeconfig, cluster.context)} == {"dev"}
    assert {"dev-ml-api", "dev-ml-batch", "dev-ml-batch-redis"} == set(items(kubectl, "deployments", "dev"))


def test_the_command_shows_it(
    checkout: Checkout, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # A missed scrape is enough for an HPA not to be well for a moment.
    deployed(cluster, checkout.git("rev-parse", "HEAD"))
    monkeypatch.chdir(ROOT)
    assert command.main(["status", "--kubeconfig", str(cluster.kubeconfig), "--output", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [(one["name"], one["sync"], one["health"]) for one in shown] == [
        (name, "Synced", "Healthy") for name in NAMES
    ]
    assert {one["revision"] for one in shown} == {checkout.git("rev-parse", "HEAD")}


def test_argo_cd_s_own_program_needs_no_login(checkout: Checkout, cluster: Cluster, tmp_path: Path) -> None:
    """As docs/gitops.md says: with the user's own rights, and namespace argocd in the context."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_bytes(cluster.kubeconfig.read_bytes())
    kubeconfig.chmod(0o600)
    own = {"KUBECONFIG": str(kubeconfig), "HOME": str(tmp_path)}
    process.run([tool("kubectl"), "config", "set-context", "--current", "--namespace=argocd"], timeout_s=30, env=own)

    def shown() -> bool:
        done = process.run([tool("argocd"), "--core", "app", "get", "dev-ml-api"], timeout_s=90, env=own)
        wanted = (r"^Sync Status: +Synced to main ", r"^Health Status: +Healthy$")
        return all(re.search(one, done.stdout, re.MULTILINE) for one in wanted)

    await_true(shown, "Argo CD's own program says that it is synced and healthy", timeout_s=LIMIT_S)


@pytest.mark.parametrize(
    ("verb", "what", "namespace", "answer"),
    [
        ("patch", "deployments", "dev", "yes"),
        ("get", "secrets", "dev", "no"),
        ("create", "roles", "dev", "no"),
        ("create", "pods", "dev", "no"),
        ("patch", "deployments", "kube-system", "no"),
        ("create", "namespaces", "", "no"),
    ],
)
def test_the_controller_has_no_more_rights_than_the_charts_need(  # noqa: PLR0917 - fixtures and cases
    verb: str, what: str, namespace: str, answer: str, checkout: Checkout, kubectl: Kubectl
) -> None:
    where = ("-n", namespace) if namespace else ()
    assert kubectl("auth", "can-i", verb, what, *where, "--as", CONTROLLER, ok=(0, 1)).split()[0] == answer


@pytest.mark.parametrize("project", ["default", "ml-services"])
def test_the_projects_refuse_another_namespace(project: str, checkout: Checkout, kubectl: Kubectl) -> None:
    spec = json.loads(kubectl("get", "application", "dev-ml-api", "-n", "argocd", "-o", "json"))["spec"]
    spec |= {"project": project, "destination": {"name": "in-cluster", "namespace": "kube-system"}, "syncPolicy": {}}
    other = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "other"}, "spec": spec}
    kubectl("create", "-n", "argocd", "-f", "-", input_text=json.dumps(other))

    def refused() -> bool:
        found = items(kubectl, "applications", "argocd")["other"].get("status", {}).get("conditions", [])
        return "InvalidSpecError" in {one["type"] for one in found}

    await_true(refused, f"Argo CD refuses an Application of {project} that goes to kube-system")
    kubectl("delete", "application", "other", "-n", "argocd")


def test_what_somebody_changed_by_hand_is_put_right(checkout: Checkout, cluster: Cluster, kubectl: Kubectl) -> None:
    before = items(kubectl, "configmaps", "dev")["dev-ml-api"]["data"]
    broken = json.dumps({"data": dict.fromkeys(before, "by hand")})
    kubectl("patch", "configmap", "dev-ml-api", "-n", "dev", "--type=merge", "-p", broken)
    kubectl("delete", "service", "dev-ml-api", "-n", "dev")
    await_true(lambda: "dev-ml-api" in items(kubectl, "services", "dev"), "the Service is there again")
    await_true(
        lambda: items(kubectl, "configmaps", "dev")["dev-ml-api"]["data"] == before, "the ConfigMap is as it was"
    )
    deployed(cluster, checkout.git("rev-parse", "HEAD"))


def test_the_hpa_s_number_of_pods_stays(checkout: Checkout, cluster: Cluster, kubectl: Kubectl) -> None:
    scaling = yaml.safe_load((checkout.root / "values" / "dev" / "ml-api.yaml").read_text("utf-8"))["autoscaling"]
    checkout.change("ml-api", {"autoscaling": {**scaling, "minReplicas": 2, "maxReplicas": 2}})
    commit = deploy(checkout, cluster, "two pods")
    deployed(cluster, commit)
    await_true(lambda: replicas(kubectl) == 2, "the HPA has made them two", timeout_s=LIMIT_S)
    syncs = history(kubectl)
    kubectl("annotate", "application", "dev-ml-api", "-n", "argocd", "argocd.argoproj.io/refresh=hard")
    await_true(lambda: "annotations" not in refreshed(kubectl), "Argo CD has compared everything anew")
    assert (application(cluster).sync, replicas(kubectl), history(kubectl)) == ("Synced", 2, syncs)


def replicas(kubectl: Kubectl) -> int:
    found: int = items(kubectl, "deployments", "dev")["dev-ml-api"]["spec"]["replicas"]
    return found


def refreshed(kubectl: Kubectl) -> dict[str, Any]:
    metadata: dict[str, Any] = items(kubectl, "applications", "argocd")["dev-ml-api"]["metadata"]
    left = {name for name in metadata.get("annotations", {}) if name == "argocd.argoproj.io/refresh"}
    return {"annotations": left} if left else {}


def history(kubectl: Kubectl) -> int:
    return len(items(kubectl, "applications", "argocd")["dev-ml-api"]["status"]["history"])


def test_a_commit_that_does_not_render_changes_nothing(checkout: Checkout, cluster: Cluster, kubectl: Kubectl) -> None:
    pods = set(items(kubectl, "pods", "dev"))
    checkout.change("ml-api", {"replicaCount": "many"})
    deploy(checkout, cluster, "no number")
    await_true(lambda: "replicaCount" in application(cluster).message, "the status names the value", timeout_s=LIMIT_S)
    assert not application(cluster).good
    assert set(items(kubectl, "pods", "dev")) == pods
    assert answers(cluster)
    checkout.git("revert", "--no-edit", "HEAD")
    deployed(cluster, deploy(checkout, cluster))


def test_a_commit_whose_pods_do_not_start_is_degraded_and_the_old_ones_serve(
    checkout: Checkout, cluster: Cluster, kubectl: Kubectl
) -> None:
    before = ready_images(kubectl)
    # Short limits, so that the rollout counts as failed within the test's time.
    soon = {"startup": {"periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": 5}}
    checkout.change("ml-api", {"image": {"tag": "never-built"}, "progressDeadlineSeconds": 10, "probes": soon})
    commit = deploy(checkout, cluster, "an image that does not exist")

    def told() -> bool:
        one = application(cluster)
        there = (one.revision, one.sync, one.health) == (commit, "Synced", "Degraded")
        return there and "Deployment dev-ml-api" in one.message

    await_true(told, "Argo CD says that ml-api's Deployment has failed", timeout_s=LIMIT_S)
    assert ready_images(kubectl) == before
    assert answers(cluster)
    await_true(lambda: application(cluster, "dev-ml-batch").good, "ml-batch is well", timeout_s=LIMIT_S)


def test_somebody_would_be_told(checkout: Checkout, cluster: Cluster) -> None:
    """Argo CD's own program evaluates the trigger and fills the template in, on the Application as it is now."""
    words = ["admin", "notifications", "--namespace", "argocd", "--kubeconfig", str(cluster.kubeconfig)]
    words += ["trigger", "run", "on-health-degraded", "dev-ml-api", "--secret", ":empty"]
    done = process.run([tool("argocd"), *words], timeout_s=60)
    assert "true" in done.stdout


def test_reverting_the_commit_is_the_rollback(checkout: Checkout, cluster: Cluster, kubectl: Kubectl) -> None:
    checkout.git("revert", "--no-edit", "HEAD")
    commit = deploy(checkout, cluster)
    deployed(cluster, commit)
    assert all("never-built" not in image for image in ready_images(kubectl))
    assert answers(cluster)


def test_the_rendered_branch_deploys_the_same(checkout: Checkout, cluster: Cluster, kubectl: Kubectl) -> None:
    before = rollouts(kubectl)
    commit = to_branch(Branch(checkout.root, "rendered"), head="HEAD").commit
    assert argocd.up(checkout.root, cluster, "dev", Quiet(), source="rendered") == commit
    deployed(cluster, commit)
    assert rollouts(kubectl) == before
    assert answers(cluster)


def rollouts(kubectl: Kubectl) -> dict[str, str]:
    """The number of each Deployment's rollout, which goes up with every change of its pods."""
    found = items(kubectl, "deployments", "dev")
    return {name: one["metadata"]["annotations"]["deployment.kubernetes.io/revision"] for name, one in found.items()}
