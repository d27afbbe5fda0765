"""The real Flux on a real node: deploys what was published, mends drift, survives bad commits, prunes what goes away.

The tests of this module go on from each other's state, in their order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from mldeploy.cluster import Cluster
from mldeploy.gitops import flux
from mldeploy.gitops.deliver import deliver
from mldeploy.gitops.repository import NAMESPACE as GIT
from mldeploy.gitops.status import Status, await_deployed, statuses
from mldeploy.progress import Quiet
from mldeploy.up.place import Place
from mldeploy.up.stores import install_store
from tests.cluster.by_git import Checkout, answers, ready_images
from tests.cluster.deploying import items, this_image
from tests.cluster.support import Kubectl, await_true

STORE = "dev-secret-store"
NAMES = ("dev-ml-api", "dev-ml-batch", STORE)
ACCOUNT = "system:serviceaccount:flux-system:dev"
CONTROLLER = "system:serviceaccount:flux-system:kustomize-controller"
FETCHER = "system:serviceaccount:flux-system:source-controller"
LIMIT_S = 240.0


@pytest.fixture(scope="module")
def checkout(operator: Place, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A checkout that Flux follows; Flux and all that it deployed are gone afterwards."""
    made = Checkout(tmp_path_factory.mktemp("checkout"), keys=True)
    this_image(operator.cluster)
    flux.start(made.root, operator.cluster, "dev", Quiet())
    yield made
    kubectl("delete", "kustomizations,gitrepositories", "--all", "-n", flux.NAMESPACE, "--timeout=120s")
    kubectl("delete", "namespace", "dev", flux.NAMESPACE, GIT, "--wait=true", "--timeout=300s")
    kinds = [name for name in kubectl("get", "crd", "-o", "name").split() if name.endswith(".toolkit.fluxcd.io")]
    kubectl("delete", *kinds)


def deploy(checkout: Checkout, cluster: Cluster, message: str = "") -> str:
    """Commit what was changed, publish it, and let Flux know; gives the published commit."""
    if message:
        checkout.git("commit", "--quiet", "--all", "--message", message)
    return deliver(checkout.root, cluster, Quiet()).published["dev"]


def well(cluster: Cluster) -> None:
    """Wait until both services are as they were published last."""
    (commit,) = {one.revision for one in statuses(cluster.kubeconfig, cluster.context)}
    deployed(cluster, commit)


def deployed(cluster: Cluster, commit: str) -> None:
    """Wait until both services are at a commit, and well."""
    await_deployed(cluster.kubeconfig, cluster.context, NAMES, commit, Quiet(), timeout_s=LIMIT_S)


def found(cluster: Cluster, name: str = "dev-ml-api") -> Status:
    (one,) = [each for each in statuses(cluster.kubeconfig, cluster.context) if each.name == name]
    return one


@pytest.mark.timeout(1500)  # what it waits for, and all that is set up for it
def test_the_services_wait_for_the_store(checkout: Checkout, operator: Place, kubectl: Kubectl) -> None:
    cluster = operator.cluster
    told = f"'{flux.NAMESPACE}/{STORE}' is not ready"
    await_true(lambda: told in found(cluster).message, "ml-api waits for the store")
    assert items(kubectl, "deployments", "dev") == {}
    install_store(operator, "dev")
    deployed(cluster, flux.up(checkout.root, cluster, "dev", Quiet()))


def test_what_was_published_is_deployed(checkout: Checkout, cluster: Cluster, kubectl: Kubectl) -> None:
    assert answers(cluster)
    assert {"dev-ml-api", "dev-ml-batch", "dev-ml-batch-redis"} == set(items(kubectl, "deployments", "dev"))
    assert {(one.environment, one.service) for one in statuses(cluster.kubeconfig, cluster.context)} == {
        ("dev", "ml-api"),
        ("dev", "ml-batch"),
        ("dev", "secret-store"),
    }


@pytest.mark.parametrize(
    ("account", "verb", "what", "namespace", "answer"),
    [
        (ACCOUNT, "patch", "deployments", "dev", "yes"),
        (ACCOUNT, "get", "secrets", "dev", "no"),
        (ACCOUNT, "get", "secretstores", "dev", "yes"),
        (ACCOUNT, "patch", "secretstores", "dev", "no"),
        (ACCOUNT, "create", "roles", "dev", "no"),
        (ACCOUNT, "create", "pods", "dev", "no"),
        (ACCOUNT, "patch", "deployments", "kube-system", "no"),
        (ACCOUNT, "create", "namespaces", "", "no"),
        (CONTROLLER, "patch", "deployments", "dev", "no"),
        (CONTROLLER, "get", "secrets", "flux-system", "no"),
        (CONTROLLER, "impersonate", "serviceaccounts/dev", "flux-system", "yes"),
        (CONTROLLER, "impersonate", "serviceaccounts/default", "kube-system", "no"),
        (FETCHER, "list", "secrets", "flux-system", "no"),
        (FETCHER, "get", "secrets/deployments-credentials", "flux-system", "yes"),
    ],
)
def test_nobody_has_more_rights_than_needed(  # noqa: PLR0917 - fixtures and cases
    account: str, verb: str, what: str, namespace: str, answer: str, checkout: Checkout, kubectl: Kubectl
) -> None:
    where = ("-n", namespace) if namespace else ()
    assert kubectl("auth", "can-i", verb, what, *where, "--as", account, ok=(0, 1)).split()[0] == answer


def test_a_kustomization_cannot_go_elsewhere(checkout: Checkout, kubectl: Kubectl) -> None:
    """Neither to another namespace as the environment's account, nor as the controller itself."""
    spec = items(kubectl, "kustomizations", flux.NAMESPACE)["dev-ml-api"]["spec"]
    elsewhere = {**spec, "targetNamespace": "kube-system"}
    nobody = {key: value for key, value in spec.items() if key != "serviceAccountName"}
    for name, wanted in (("elsewhere", elsewhere), ("nobody", nobody)):
        api = {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": {"name": name}}
        kubectl("create", "-n", flux.NAMESPACE, "-f", "-", input_text=json.dumps({**api, "spec": wanted}))

        def refused(name: str = name) -> bool:
            message = ready(items(kubectl, "kustomizations", flux.NAMESPACE)[name]).get("message", "")
            return "forbidden" in message.lower()

        await_true(refused, f"Flux is not allowed to apply the Kustomization {name}", timeout_s=LIMIT_S)
        kubectl("delete", "kustomization", name, "-n", flux.NAMESPACE)


def ready(kustomization: dict[str, Any]) -> dict[str, Any]:
    conditions = kustomization.get("status", {}).get("conditions", [])
    return next((one for one in conditions if one["type"] == "Ready"), {})


def test_what_somebody_changed_by_hand_is_put_right(checkout: Checkout, cluster: Cluster, kubectl: Kubectl) -> None:
    before = items(kubectl, "configmaps", "dev")["dev-ml-api"]["data"]
    broken = json.dumps({"data": dict.fromkeys(before, "by hand")})
    kubectl("patch", "configmap", "dev-ml-api", "-n", "dev", "--type=merge", "-p", broken)
    kubectl("delete", "service", "dev-ml-api", "-n", "dev")
    flux.refresh(cluster)
    await_true(lambda: "dev-ml-api" in items(kubectl, "services", "dev"), "the Service is there again")
    await_true(
        lambda: items(kubectl, "configmaps", "dev")["dev-ml-api"]["data"] == before, "the ConfigMap is as it was"
    )
    well(cluster)


def test_the_hpa_s_number_of_pods_is_left_alone(checkout: Checkout, cluster: Cluster, kubectl: Kubectl) -> None:
    scaling = yaml.safe_load((checkout.root / "values" / "dev" / "ml-api.yaml").read_text("utf-8"))["autoscaling"]
    checkout.change("ml-api", {"autoscaling": {**scaling, "minReplicas": 2, "maxReplicas": 2}})
    deployed(cluster, deploy(checkout, cluster, "two pods"))
    await_true(lambda: replicas(kubectl) == 2, "the HPA has made them two", timeout_s=LIMIT_S)
    before = window(kubectl)
    by_hand = {"spec": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": before + 1}}}}
    kubectl("patch", "hpa", "dev-ml-api", "-n", "dev", "--type=merge", "-p", json.dumps(by_hand))
    flux.refresh(cluster)
    await_true(lambda: window(kubectl) == before, "Flux has put the HPA back as it was published", timeout_s=LIMIT_S)
    well(cluster)
    assert replicas(kubectl) == 2, "which leaves the number to the HPA"
    checkout.git("revert", "--no-edit", "HEAD")
    deployed(cluster, deploy(checkout, cluster))


def replicas(kubectl: Kubectl) -> int:
    found: int = items(kubectl, "deployments", "dev")["dev-ml-api"]["spec"]["replicas"]
    return found


def window(kubectl: Kubectl) -> int:
    behavior = items(kubectl, "hpa", "dev")["dev-ml-api"]["spec"]["behavior"]
    return int(behavior["scaleDown"]["stabilizationWindowSeconds"])


def test_what_a_commit_removes_is_pruned(checkout: Checkout, cluster: Cluster, kubectl: Kubectl) -> None:
    assert "dev-ml-api" in items(kubectl, "networkpolicies", "dev")
    checkout.change("ml-api", {"networkPolicy": {"enabled": False}})
    deployed(cluster, deploy(checkout, cluster, "no network policy"))
    assert "dev-ml-api" not in items(kubectl, "networkpolicies", "dev")
    assert {"dev-ml-batch", "dev-ml-batch-redis"} <= set(items(kubectl, "networkpolicies", "dev"))
    checkout.git("revert", "--no-edit", "HEAD")
    deployed(cluster, deploy(checkout, cluster))
    assert "dev-ml-api" in items(kubectl, "networkpolicies", "dev")


def test_a_commit_whose_pods_do_not_start_is_not_ready_and_the_old_ones_serve(
    checkout: Checkout, cluster: Cluster, kubectl: Kubectl
) -> None:
    before = ready_images(kubectl)
    # Short limits, so that the rollout counts as failed within the test's time.
    soon = {"startup": {"periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": 5}}
    checkout.change("ml-api", {"image": {"tag": "never-built"}, "progressDeadlineSeconds": 10, "probes": soon})
    deploy(checkout, cluster, "an image that does not exist")

    def told() -> bool:
        one = found(cluster)
        return one.health == "Degraded" and "Deployment/dev/dev-ml-api" in one.message

    await_true(told, "Flux says that ml-api's Deployment has failed", timeout_s=LIMIT_S)
    assert ready_images(kubectl) == before
    assert answers(cluster)
    # Each commit is a new question for both.
    await_true(lambda: found(cluster, "dev-ml-batch").good, "ml-batch is well", timeout_s=LIMIT_S)


def test_reverting_the_commit_is_the_rollback(checkout: Checkout, cluster: Cluster, kubectl: Kubectl) -> None:
    checkout.git("revert", "--no-edit", "HEAD")
    deployed(cluster, deploy(checkout, cluster))
    assert all("never-built" not in image for image in ready_images(kubectl))
    assert answers(cluster)
