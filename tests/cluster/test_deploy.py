"""The main job on a real node: apply, apply again, other environments, diff, sync, failures, destroy.

The tests of this module go on from each other's state, in their order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mldeploy.cluster import Cluster
from tests.cluster.deploying import ROOT, Helmfile, helmfile_for, items, revisions, this_image
from tests.cluster.support import Kubectl, await_true

SERVICES = ("ml-api", "ml-batch")


@pytest.fixture(scope="module")
def image(cluster: Cluster) -> tuple[str | Path, ...]:
    return this_image(cluster)


@pytest.fixture(scope="module")
def helmfile(cluster: Cluster, kubectl: Kubectl) -> Iterator[Helmfile]:
    yield helmfile_for(cluster)
    for namespace in ("dev", "staging", "prod"):
        kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait=true", "--timeout=300s")


def namespaces(kubectl: Kubectl) -> set[str]:
    return {item["metadata"]["name"] for item in json.loads(kubectl("get", "namespaces", "-o", "json"))["items"]}


def pods(kubectl: Kubectl, namespace: str) -> set[str]:
    """Name the pods that are not on their way out."""
    found = items(kubectl, "pods", namespace)
    return {name for name, pod in found.items() if "deletionTimestamp" not in pod["metadata"]}


def test_apply_of_one_service_touches_dev_alone(
    helmfile: Helmfile, image: tuple[str | Path, ...], kubectl: Kubectl, cluster: Cluster
) -> None:
    before = namespaces(kubectl)
    helmfile("--selector", "service=ml-api", "apply", *image)
    assert namespaces(kubectl) - before == {"dev"}
    assert revisions(cluster, "dev", "dev-ml-api") == ["deployed"]
    assert revisions(cluster, "dev", "dev-ml-batch") == []
    assert items(kubectl, "deployments", "dev")["dev-ml-api"]["status"]["readyReplicas"] >= 1


def test_apply_without_a_selector_brings_the_other_one(
    helmfile: Helmfile, image: tuple[str | Path, ...], kubectl: Kubectl, cluster: Cluster
) -> None:
    helmfile("apply", *image)
    assert revisions(cluster, "dev", "dev-ml-api") == ["deployed"]  # still the first: nothing was to be changed
    assert revisions(cluster, "dev", "dev-ml-batch") == ["deployed"]
    assert namespaces(kubectl).isdisjoint({"staging", "prod"})


def test_helm_s_own_tests_pass(helmfile: Helmfile) -> None:
    """A request to the Service, and a job through the queue."""
    done = helmfile("test")
    assert (done.stdout + done.stderr).count("Phase:          Succeeded") == len(SERVICES)


@pytest.mark.parametrize("arguments", [(), ("--file", ROOT / "deployments" / "dev" / "helmfile.yaml")])
def test_second_apply_changes_nothing(
    arguments: tuple[str | Path, ...],
    helmfile: Helmfile,
    image: tuple[str | Path, ...],
    kubectl: Kubectl,
    cluster: Cluster,
) -> None:
    before = set(items(kubectl, "replicasets", "dev"))
    helmfile(*arguments, "apply", *image)
    for service in SERVICES:
        assert revisions(cluster, "dev", f"dev-{service}") == ["deployed"]
    # A rollout or a restart makes another; how many pods there are is the HPA's.
    assert set(items(kubectl, "replicasets", "dev")) == before


def test_diff_tells_what_would_change_and_changes_nothing(
    helmfile: Helmfile, image: tuple[str | Path, ...], cluster: Cluster
) -> None:
    assert helmfile("diff", *image, "--detailed-exitcode").returncode == 0
    done = helmfile("diff", *image, "--set", "config.logLevel=error", "--detailed-exitcode", ok=(2,))
    assert '+   ML_LOG_LEVEL: "error"' in done.stdout
    assert revisions(cluster, "dev", "dev-ml-api") == ["deployed"]


def test_changed_configuration_rolls_the_pods(
    helmfile: Helmfile, image: tuple[str | Path, ...], kubectl: Kubectl
) -> None:
    before = pods(kubectl, "dev")
    helmfile("--selector", "service=ml-api", "apply", *image, "--set", "config.logLevel=error")
    now = pods(kubectl, "dev")
    assert {name for name in before if name.startswith("dev-ml-api")}.isdisjoint(now)
    assert {name for name in before if name.startswith("dev-ml-batch")} <= now


def test_sync_rolls_out_again_without_a_restart_of_what_is_the_same(
    helmfile: Helmfile, image: tuple[str | Path, ...], kubectl: Kubectl, cluster: Cluster
) -> None:
    before = {name for name in pods(kubectl, "dev") if name.startswith("dev-ml-batch")}
    helmfile("--selector", "service=ml-batch", "sync", *image)
    assert revisions(cluster, "dev", "dev-ml-batch") == ["superseded", "deployed"]
    assert before <= pods(kubectl, "dev")


def test_replicas_are_left_to_the_hpa(helmfile: Helmfile, image: tuple[str | Path, ...], kubectl: Kubectl) -> None:
    """What the HPA set stays through an upgrade (here it may set nothing else)."""
    two = '{"spec": {"minReplicas": 2, "maxReplicas": 2}}'
    kubectl("patch", "hpa", "dev-ml-api", "-n", "dev", "--type=merge", "-p", two)

    def replicas() -> int:
        return int(items(kubectl, "deployments", "dev")["dev-ml-api"]["spec"]["replicas"])

    await_true(lambda: replicas() == 2, "the HPA asks for its new minimum")
    sets = ("--set", "autoscaling.minReplicas=2", "--set", "autoscaling.maxReplicas=2")
    helmfile("--selector", "service=ml-api", "sync", *image, *sets)
    assert replicas() == 2


def test_an_image_that_does_not_exist_is_named_and_what_ran_before_stays(
    helmfile: Helmfile, image: tuple[str | Path, ...], kubectl: Kubectl, cluster: Cluster
) -> None:
    before = pods(kubectl, "dev")
    impatient = ("--set", "progressDeadlineSeconds=15", "--set", "probes.startup.failureThreshold=10")
    wrong = (*image, "--set", "image.tag=nope")
    done = helmfile("--selector", "service=ml-batch", "apply", *wrong, *impatient, ok=(1,))
    # Helm's own word on its rollback is no proof: it may meet the failed upgrade's condition once more.
    told = done.stdout + done.stderr
    assert 'image "localhost/mldeploy/ml-service:nope" cannot be pulled' in told
    assert "Deployment dev-ml-batch serves: 1 of 1 pods, all of one template" in told
    assert revisions(cluster, "dev", "dev-ml-batch")[-2] == "failed"
    assert {name for name in before if name.startswith("dev-ml-batch")} <= pods(kubectl, "dev")
    helmfile("--selector", "service=ml-batch", "apply", *image)
    assert helmfile("diff", "--selector", "service=ml-batch", *image, "--detailed-exitcode").returncode == 0


@pytest.mark.parametrize(
    ("environment", "arguments"),
    [
        ("staging", ("--environment", "staging")),
        ("prod", ("--file", ROOT / "deployments" / "prod" / "helmfile.yaml")),
    ],
)
def test_other_environments(
    environment: str,
    arguments: tuple[str | Path, ...],
    helmfile: Helmfile,
    image: tuple[str | Path, ...],
    kubectl: Kubectl,
) -> None:
    # prod by its own file, from a directory that has nothing to do with the repository.
    helmfile(*arguments, "apply", *image, cwd=ROOT if environment == "staging" else Path("/"))
    for service in SERVICES:
        hpa = items(kubectl, "hpa", environment)[f"{environment}-{service}"]

        def all_ready(name: str = f"{environment}-{service}", smallest: int = hpa["spec"]["minReplicas"]) -> bool:
            status = items(kubectl, "deployments", environment)[name]["status"]
            return int(status.get("readyReplicas", 0)) >= smallest

        await_true(all_ready, f"{environment}-{service} has its smallest number of ready pods", timeout_s=180)
    assert items(kubectl, "pdb", environment)
    # Nobody gives it an address here, and Helm does not wait for one.
    balanced = items(kubectl, "services", environment)[f"{environment}-ml-api"]
    assert balanced["spec"]["type"] == "LoadBalancer"
    assert not balanced["status"]["loadBalancer"]


def test_three_environments_run_side_by_side(kubectl: Kubectl) -> None:
    for environment in ("dev", "staging", "prod"):
        assert items(kubectl, "deployments", environment)[f"{environment}-ml-api"]["status"]["readyReplicas"] >= 1


def test_predictions_arrive_through_the_service(kubectl: Kubectl) -> None:
    """From a pod of the namespace, by the Service's name: what other services do."""
    code = (
        "import json, urllib.request;"
        "body = json.dumps({'image': [[0] * 8] * 8}).encode();"
        "url, json_type = 'http://prod-ml-api:8000/v1/predict', {'content-type': 'application/json'};"
        "request = urllib.request.Request(url, body, json_type);"
        "print(urllib.request.urlopen(request, timeout=10).read().decode())"
    )
    answer = json.loads(kubectl("exec", "-n", "prod", "deployment/prod-ml-batch", "--", "python3", "-c", code))
    assert 0 <= answer["digit"] <= 9


def test_a_foreign_context_is_refused_and_nothing_changes(
    cluster: Cluster, kubectl: Kubectl, image: tuple[str | Path, ...], tmp_path: Path
) -> None:
    foreign = tmp_path / "kubeconfig"
    foreign.write_bytes(cluster.kubeconfig.read_bytes())
    foreign.chmod(0o600)
    kubectl("--kubeconfig", str(foreign), "config", "rename-context", cluster.context, "somebody-elses")
    refused = helmfile_for(cluster, KUBECONFIG=str(foreign))
    before = revisions(cluster, "dev", "dev-ml-api")
    for command in (("sync", *image), ("apply", *image, "--set", "config.logLevel=error"), ("destroy",)):
        done = refused(*command, ok=(1,))
        assert "dev may not be applied to the kube-context 'somebody-elses'" in done.stderr
    assert revisions(cluster, "dev", "dev-ml-api") == before


def test_destroy_of_one_service_leaves_the_others(helmfile: Helmfile, kubectl: Kubectl, cluster: Cluster) -> None:
    helmfile("--selector", "service=ml-batch", "destroy")
    assert revisions(cluster, "dev", "dev-ml-batch") == []
    assert not [name for name in items(kubectl, "deployments,services,hpa,pdb", "dev") if "ml-batch" in name]
    assert revisions(cluster, "dev", "dev-ml-api")
    assert revisions(cluster, "staging", "staging-ml-batch") == ["deployed"]
    helmfile("--environment", "staging", "destroy")
    helmfile("--environment", "prod", "destroy")
    helmfile("destroy")
    for environment in ("dev", "staging", "prod"):
        for kind in ("deployments", "services", "hpa", "pdb", "configmaps"):
            assert not [name for name in items(kubectl, kind, environment) if name.startswith(f"{environment}-")]
