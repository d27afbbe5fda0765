"""What pods and people get from the node: names, Services, logs, exec, port-forward, figures, and the limits."""

from __future__ import annotations

import json
import os
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from mldeploy import process
from mldeploy.cluster import Cluster, archive
from mldeploy.progress import Quiet
from mldeploy.toolchain import tool
from tests.cluster.support import Kubectl, await_true, restricted_pod

NAMESPACE = "demo"


def make_namespace(kubectl: Kubectl, name: str, labels: dict[str, str] | None = None) -> None:
    """Make a namespace that takes pods: with its account, and with its labels from the first moment."""
    metadata = {"name": name, "labels": labels or {}}
    kubectl("create", "-f", "-", input_text=json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}))
    kubectl("wait", "--for=create", "serviceaccount/default", "-n", name, "--timeout=60s")


@pytest.fixture(scope="module")
def demo(kubectl: Kubectl, toolbox: str) -> Iterator[str]:
    """A namespace with a pod that serves HTTP, and its Service; gives the namespace."""
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "echo"},
        "spec": {"selector": {"app": "server"}, "ports": [{"port": 80, "targetPort": 8001}]},
    }
    make_namespace(kubectl, NAMESPACE)
    pod = restricted_pod("server", toolbox, "proxy", "--address=0.0.0.0", "--port=8001", "--accept-hosts=.*")
    for manifest in (service, pod):
        kubectl("apply", "-n", NAMESPACE, "-f", "-", input_text=json.dumps(manifest))
    kubectl("wait", "-n", NAMESPACE, "--for=condition=Ready", "pod/server", "--timeout=60s")
    yield NAMESPACE
    kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def test_a_pod_resolves_a_service_and_reaches_it(kubectl: Kubectl, demo: str) -> None:
    for host in ("echo", "echo.demo.svc.cluster.local"):
        words = [
            "exec",
            "-n",
            demo,
            "server",
            "--",
            "/kubectl",
            "get",
            "--raw",
            "/version",
            "--server",
            f"http://{host}",
        ]

        def answers(words: list[str] = words) -> bool:
            return '"major": "1"' in kubectl(*words, ok=(0, 1))

        # The node's rules follow a new endpoint by a moment.
        await_true(answers, f"{host} answers", timeout_s=60)


def test_a_pod_reaches_the_api_server_with_its_own_account(kubectl: Kubectl, demo: str) -> None:
    who = kubectl("exec", "-n", demo, "server", "--", "/kubectl", "auth", "whoami")
    assert "system:serviceaccount:demo:default" in who


def test_an_outside_name_fails_at_once(kubectl: Kubectl, demo: str) -> None:
    words = ["/kubectl", "get", "--raw", "/", "--server", "http://mldeploy.example"]
    said = kubectl("exec", "-n", demo, "server", "--", *words, ok=(1,))
    assert "mldeploy.example" in said
    assert "timeout" not in said


def test_logs(kubectl: Kubectl, demo: str) -> None:
    assert "Starting to serve on" in kubectl("logs", "-n", demo, "server")


def test_port_forward(cluster: Cluster, demo: str) -> None:
    words = ["--kubeconfig", str(cluster.kubeconfig), "port-forward", "-n", demo, "svc/echo", ":80"]
    reading, writing = os.pipe()
    forward = process.start([tool("kubectl"), *words], stdout=writing)
    os.close(writing)
    try:
        with os.fdopen(reading, encoding="utf-8") as said:
            found = re.search(r"127\.0\.0\.1:(\d+)", said.readline())
            assert found
            with urllib.request.urlopen(f"http://127.0.0.1:{found[1]}/version", timeout=10) as answer:
                assert json.load(answer)["major"] == "1"
    finally:
        process.terminate(forward)


def test_top_has_figures_of_nodes_and_pods(cluster: Cluster, kubectl: Kubectl, demo: str) -> None:
    def figures() -> bool:
        pods = kubectl("top", "pods", "-n", demo, "--no-headers", ok=(0, 1))
        nodes = kubectl("top", "nodes", "--no-headers", ok=(0, 1))
        return bool(re.search(r"server\s+\d+m\s+\d+Mi", pods) and re.search(rf"{cluster.name}\s+\d+m", nodes))

    await_true(figures, "kubectl top shows CPU and memory", timeout_s=90)


def test_metrics_are_verified_both_ways(kubectl: Kubectl) -> None:
    deployment = kubectl("get", "deployment", "-n", "kube-system", "metrics-server", "-o", "json")
    arguments = json.loads(deployment)["spec"]["template"]["spec"]["containers"][0]["args"]
    assert "--kubelet-insecure-tls" not in arguments
    service = json.loads(kubectl("get", "apiservice", "v1beta1.metrics.k8s.io", "-o", "json"))["spec"]
    assert service["caBundle"]
    assert not service.get("insecureSkipTLSVerify")


@pytest.mark.parametrize(
    "labels", [{}, {"pod-security.kubernetes.io/enforce": "restricted"}], ids=["unlabelled", "labelled"]
)
def test_a_privileged_pod_is_refused(kubectl: Kubectl, toolbox: str, labels: dict[str, str]) -> None:
    name = f"strict-{len(labels)}"
    make_namespace(kubectl, name, labels)
    pod = restricted_pod("bad", toolbox)
    pod["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    said = kubectl("apply", "-n", name, "-f", "-", input_text=json.dumps(pod), ok=(1,))
    assert 'violates PodSecurity "restricted' in said


def test_a_label_can_loosen_a_namespace(kubectl: Kubectl, toolbox: str) -> None:
    make_namespace(kubectl, "loose", {"pod-security.kubernetes.io/enforce": "privileged"})
    pod = restricted_pod("open", toolbox, "version", "--client")
    del pod["spec"]["securityContext"]
    kubectl("apply", "-n", "loose", "-f", "-", input_text=json.dumps(pod))


def test_secrets_are_encrypted_in_the_store(cluster: Cluster, kubectl: Kubectl) -> None:
    plain = "correct-horse-battery-staple"
    kubectl("create", "secret", "generic", "-n", "default", "planted", f"--from-literal=password={plain}")
    kubectl("create", "configmap", "-n", "default", "control", "--from-literal=key=visible-in-the-store")
    store = cluster.kubeconfig.parent / "node" / "etcd"
    stored = b"".join(path.read_bytes() for path in store.rglob("*") if path.is_file())
    assert b"visible-in-the-store" in stored
    assert b"k8s:enc:secretbox:v1:" in stored
    assert plain.encode() not in stored


def test_the_audit_log_names_a_secret_but_not_its_content(cluster: Cluster, kubectl: Kubectl) -> None:
    kubectl("create", "secret", "generic", "-n", "default", "audited", "--from-literal=password=never-logged-anywhere")
    log = process.run(cluster.logs("audit", follow=False), timeout_s=10).stdout
    events = [json.loads(line) for line in log.splitlines()]
    assert any(e["verb"] == "create" and e["objectRef"].get("name") == "audited" for e in events if "objectRef" in e)
    for path in (cluster.kubeconfig.parent / "node" / "log").rglob("*"):
        assert not path.is_file() or b"never-logged-anywhere" not in path.read_bytes(), path


def test_nothing_leaves_the_machine(cluster: Cluster) -> None:
    first = cluster.status().first_pid
    inside = ["nsenter", f"--net=/proc/{first}/ns/net"]
    assert process.run([*inside, "ip", "route", "show", "default"], timeout_s=10).stdout == ""
    # 192.0.2.1 is reserved for documentation: even if it left, nobody would answer.
    program = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=5)"
    done = process.run([*inside, "python3", "-c", program], timeout_s=10, ok=(1,))
    assert "Network is unreachable" in done.stderr


def test_an_image_is_loaded_once(cluster: Cluster, toolbox: str, tmp_path: Path) -> None:
    again = tmp_path / "again.tar"
    repository = toolbox.rpartition(":")[0]
    archive.write(again, (archive.Image(repository, tool("kubectl").resolve(), ("/kubectl",)),))
    assert cluster.load_image(again, Quiet()) is False
    assert toolbox in cluster.status().images
