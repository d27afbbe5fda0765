"""The port-forward and the smoke test on deployed services: replaced pods, refusals, failures with their reasons."""

from __future__ import annotations

import json
import queue
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import yaml

from mldeploy import process
from mldeploy.cli.main import main
from mldeploy.cluster import Cluster
from mldeploy.smoke import CheckResult, forward, smoke
from mldeploy.smoke.kube import ApiError
from mldeploy.up.place import Place
from tests.cluster.deploying import ROOT, helmfile_for, items, this_image
from tests.cluster.support import Kubectl, await_true, restricted_pod

DEADLINE_S = 90.0
SECRET = "planted-0a1b2c3d"


@pytest.fixture(scope="module", autouse=True)
def deployed(cluster: Cluster, kubectl: Kubectl, store: Place) -> Iterator[None]:
    helmfile_for(cluster)("apply", *this_image(cluster, keys=True))
    yield
    kubectl("delete", "namespace", "dev", "--wait=true", "--timeout=300s")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """This repository, with declarations that a test may change."""
    for name in ("charts", "deployments", "helmfile.yaml"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "values", tmp_path / "values")
    return tmp_path


def declare(checkout: Path, **differences: Any) -> None:
    path = checkout / "values" / "smoke.dev.yaml"
    content = yaml.safe_load(path.read_text("utf-8"))
    for name, checks in differences.items():
        content.setdefault(name.replace("_", "-"), {}).setdefault("checks", {}).update(checks)
    path.write_text(yaml.safe_dump(content), "utf-8")


def run_smoke(cluster: Cluster, root: Path, service: str, *, ready_timeout_s: float = 60.0) -> dict[str, CheckResult]:
    results = smoke(
        root, "dev", kubeconfig=cluster.kubeconfig, context=cluster.context, ready_timeout_s=ready_timeout_s
    )
    return {result.name: result for result in results if result.service == service}


def waiting(kubectl: Kubectl) -> set[str]:
    """Give the reasons for which dev's containers wait."""
    pods = items(kubectl, "pods", "dev").values()
    states = [one["state"] for pod in pods for one in pod["status"].get("containerStatuses", [])]
    return {state["waiting"]["reason"] for state in states if "waiting" in state}


def get(port: int, path: str = "/readyz") -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def pods(kubectl: Kubectl) -> set[str]:
    selector = "app.kubernetes.io/instance=dev-ml-api"
    found = json.loads(kubectl("get", "pods", "-n", "dev", "-l", selector, "-o", "json"))["items"]
    return {pod["metadata"]["name"] for pod in found if "deletionTimestamp" not in pod["metadata"]}


def wait_for(events: queue.Queue[str], part: str) -> str:
    while True:
        text = events.get(timeout=DEADLINE_S)
        if part in text:
            return text


# Forward


@pytest.mark.parametrize("how", [["--force", "--grace-period=0"], ["--grace-period=5"]])
def test_a_killed_pod_is_replaced_under_a_forward(cluster: Cluster, kubectl: Kubectl, how: list[str]) -> None:
    events: queue.Queue[str] = queue.Queue()
    with forward(cluster.kubeconfig, cluster.context, "dev", "svc/dev-ml-api", 8000, on_event=events.put) as one:
        assert get(one.port) == 200
        old = one.pod
        kubectl("delete", "pod", old, "-n", "dev", "--wait=false", *how)
        wait_for(events, f"pod {old} is no longer ready")
        assert get(one.port) == 200  # waits for the new pod, without a look at the clock
        assert one.pod != old
        assert "reconnected to pod" in wait_for(events, one.pod)


def test_many_connections_at_once(cluster: Cluster) -> None:
    statuses: list[int] = []
    with forward(cluster.kubeconfig, cluster.context, "dev", "svc/dev-ml-api", 8000) as one:
        threads = [threading.Thread(target=lambda: statuses.extend(get(one.port) for _ in range(5))) for _ in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert one.last_failure == ""
    assert statuses == [200] * 200


def test_nothing_listening_in_the_pod_is_said(cluster: Cluster, kubectl: Kubectl) -> None:
    service = items(kubectl, "services", "dev")["dev-ml-api"]["spec"]
    wrong = {"selector": service["selector"], "ports": [{"port": 80, "targetPort": 9999}]}
    manifest = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "wrong", "namespace": "dev"}, "spec": wrong}
    kubectl("apply", "-f", "-", input_text=json.dumps(manifest))
    with forward(cluster.kubeconfig, cluster.context, "dev", "svc/wrong", 80) as one:
        with pytest.raises(ConnectionError):
            get(one.port)
        assert one.last_failure == f"nothing listens on port 9999 in pod {one.pod} (connection refused)"


@contextmanager
def limited(cluster: Cluster, kubectl: Kubectl, folder: Path, resources: str) -> Iterator[Path]:
    """A kubeconfig of somebody who may read some kinds of object in dev, and nothing more."""
    kubectl("create", "serviceaccount", "limited", "-n", "dev")
    kubectl("create", "role", "limited", "-n", "dev", "--verb=get,list,watch", f"--resource={resources}")
    kubectl("create", "rolebinding", "limited", "-n", "dev", "--role=limited", "--serviceaccount=dev:limited")
    try:
        config = yaml.safe_load(cluster.kubeconfig.read_text("utf-8"))
        config["users"][0]["user"] = {"token": kubectl("create", "token", "limited", "-n", "dev").strip()}
        path = folder / "limited"
        path.write_text(yaml.safe_dump(config), "utf-8")
        yield path
    finally:
        kubectl("delete", "serviceaccount,role,rolebinding", "limited", "-n", "dev")


@pytest.mark.parametrize(
    ("resources", "refused"), [("services", 'resource "pods"'), ("services,pods", 'resource "pods/portforward"')]
)
def test_what_rbac_refuses_is_said(
    cluster: Cluster, kubectl: Kubectl, tmp_path: Path, resources: str, refused: str
) -> None:
    with (
        limited(cluster, kubectl, tmp_path, resources) as kubeconfig,
        pytest.raises(ApiError) as caught,
        forward(kubeconfig, cluster.context, "dev", "svc/dev-ml-api", 8000),
    ):
        pass
    assert caught.value.status == 403
    assert refused in caught.value.message


def test_the_command_forwards_until_it_is_interrupted(cluster: Cluster) -> None:
    words = [sys.executable, "-m", "mldeploy.cli.main", "forward", "dev", "ml-api"]
    options = ["--kubeconfig", str(cluster.kubeconfig), "--context", cluster.context]
    with process.start([*words, *options], cwd=ROOT, stdout=-1, stderr=-1) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        host, _, port = child.stdout.readline().strip().partition(":")
        assert host == "127.0.0.1"
        assert get(int(port)) == 200
        child.send_signal(signal.SIGINT)
        rest = child.stderr.read()
        assert child.wait(DEADLINE_S) == 0
    assert rest.startswith("connected to pod dev-ml-api-")
    assert "Traceback" not in rest


# Smoke


def test_deployed_services_pass(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--kubeconfig", str(cluster.kubeconfig), "--context", cluster.context, "--output", "json"]
    assert main(["smoke", "dev", *options]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["passed"] is True
    asked = {(check["service"], check["name"]) for check in content["checks"]}
    assert asked >= {("ml-api", "prediction"), ("ml-api", "latency"), ("ml-batch", "job")}


def test_a_selector_chooses_and_an_unknown_one_names_what_there_is(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--kubeconfig", str(cluster.kubeconfig), "--context", cluster.context]
    assert main(["smoke", "dev", "--selector", "tier=batch", "--output", "json", *options]) == 0
    assert {check["service"] for check in json.loads(capsys.readouterr().out)["checks"]} == {"ml-batch"}
    assert main(["smoke", "dev", "--selector", "service=nope", *options]) == 2
    assert "service=ml-api" in capsys.readouterr().err
    assert main(["smoke", "nowhere", *options]) == 2
    assert "dev, staging, prod" in capsys.readouterr().err


def test_a_wrong_answer_fails_with_both_answers_and_the_log_of_who_gave_it(
    cluster: Cluster, kubectl: Kubectl, checkout: Path
) -> None:
    declare(checkout, ml_api={"prediction": {"http": {"answer": {"digit": 4}}}})
    # A pod of the release that is not well, as the HPA's next one is for a while: it has no log, and is not to blame.
    pending = restricted_pod(
        "dev-ml-api-pending", "localhost/never:1", labels={"app.kubernetes.io/instance": "dev-ml-api"}
    )
    pending["spec"]["nodeSelector"] = {"kubernetes.io/hostname": "nowhere"}
    kubectl("apply", "-n", "dev", "-f", "-", input_text=json.dumps(pending))
    try:
        results = run_smoke(cluster, checkout, "ml-api")
    finally:
        kubectl("delete", "pod", "dev-ml-api-pending", "-n", "dev")
    assert results["prediction"].outcome == "failed"
    assert results["prediction"].message == "POST /v1/predict: digit is 3, not 4"
    assert any(
        line.startswith("pod dev-ml-api-") and line.endswith(" is ready") for line in results["prediction"].details
    )
    assert any(line.startswith("pod dev-ml-api-pending is not scheduled: ") for line in results["prediction"].details)
    assert any(line.startswith("log dev-ml-api-") for line in results["prediction"].details)
    assert results["latency"].passed


def test_a_missing_worker_fails_the_job_and_leaves_no_job_behind(
    cluster: Cluster, kubectl: Kubectl, checkout: Path
) -> None:
    declare(checkout, ml_batch={"job": {"deadlineSeconds": 10}})
    # Neither the HPA nor a worker that still drains may take the job.
    worker = "app.kubernetes.io/instance=dev-ml-batch,app.kubernetes.io/component=worker"
    kubectl("scale", "deployment", "dev-ml-batch", "-n", "dev", "--replicas=0")
    kubectl("wait", "pods", "-n", "dev", "-l", worker, "--for=delete", "--timeout=90s")
    try:
        for _ in range(2):
            result = run_smoke(cluster, checkout, "ml-batch")["job"]
            assert result.outcome == "failed"
            assert result.message.startswith(
                "no result for a job in ml:jobs: jobs in the stream: 1; in group ml-batch:"
            )
    finally:
        kubectl("scale", "deployment", "dev-ml-batch", "-n", "dev", "--replicas=1")
    assert run_smoke(cluster, ROOT, "ml-batch")["job"].passed


def test_a_header_may_come_from_a_secret_that_is_never_shown(
    cluster: Cluster, kubectl: Kubectl, checkout: Path
) -> None:
    kubectl("create", "secret", "generic", "dev-ml-api-keys", "-n", "dev", f"--from-literal=current={SECRET}")
    headers = {"X-API-Key": {"secret": "{release}-keys", "key": "current"}}
    # The service answers 422 and tells what it got; the secret is in the path, so that it would show.
    other = {"X-API-Key": {"secret": "{release}-keys", "key": "next"}}
    declare(
        checkout,
        ml_api={
            "with-key": {"http": {"path": "/readyz", "headers": headers}},
            "no-key": {"http": {"path": "/readyz", "headers": other}},
            "shown": {"http": {"path": f"/{SECRET}", "headers": headers}},
        },
    )
    try:
        results = run_smoke(cluster, checkout, "ml-api")
    finally:
        kubectl("delete", "secret", "dev-ml-api-keys", "-n", "dev")
    assert results["with-key"].passed
    assert results["no-key"].message == "Secret dev/dev-ml-api-keys has no key next; it has: current"
    assert "status 404, not 200" in results["shown"].message
    assert SECRET not in str(results)


def test_an_image_that_does_not_exist_is_the_diagnosis(cluster: Cluster, kubectl: Kubectl) -> None:
    kubectl("create", "secret", "generic", "planted", "-n", "dev", f"--from-literal=password={SECRET}")
    kubectl("set", "image", "deployment/dev-ml-api", "-n", "dev", f"*=localhost/{SECRET}:1")
    try:
        no_image = {"ErrImagePull", "ImagePullBackOff"}
        await_true(lambda: bool(waiting(kubectl) & no_image), "the kubelet says that there is no such image")
        # The old pod still serves: that must not pass for the new one.
        results = run_smoke(cluster, ROOT, "ml-api", ready_timeout_s=10)
    finally:
        kubectl("rollout", "undo", "deployment/dev-ml-api", "-n", "dev")
        kubectl("delete", "secret", "planted", "-n", "dev")
    assert results["rollout"].outcome == "failed"
    assert "new pods are available" in results["rollout"].message
    text = "\n".join(results["rollout"].details)
    assert "ErrImage" in text or "ImagePullBackOff" in text
    assert "localhost/***:1" in text
    assert SECRET not in str(results)
    assert results["prediction"].outcome == "skipped"


def test_what_is_not_deployed_fails_at_once(cluster: Cluster) -> None:
    results = smoke(ROOT, "prod", kubeconfig=cluster.kubeconfig, context=cluster.context)
    rollouts = [result for result in results if result.name == "rollout"]
    assert {result.outcome for result in rollouts} == {"failed"}
    assert "release prod-ml-api has no Deployment in namespace prod" in rollouts[0].message
    assert {result.outcome for result in results} == {"failed", "skipped"}
