"""The HPA is real: load makes dev's ml-api grow, and without load it becomes small again."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from mldeploy.cluster import Cluster
from tests.cluster.deploying import Helmfile, helmfile_for, items, this_image
from tests.cluster.support import Kubectl, await_true

RELEASE, NAMESPACE = "dev-ml-api", "dev"
# Asks as fast as it is answered, from a pod: the way that other services' requests take.
CLIENT = """
import json, threading, urllib.request
body = json.dumps({"images": [[[1] * 8] * 8] * 64}).encode()
url, json_type = "http://dev-ml-api:8000/v1/predict", {"content-type": "application/json"}
def ask():
    while True:
        try:
            request = urllib.request.Request(url, body, json_type)
            urllib.request.urlopen(request, timeout=10).read()
        except OSError:
            pass
threads = [threading.Thread(target=ask) for _ in range(4)]
[thread.start() for thread in threads]
"""


@pytest.fixture(scope="module")
def helmfile(cluster: Cluster, kubectl: Kubectl) -> Iterator[Helmfile]:
    run = helmfile_for(cluster)
    run("--selector", "service=ml-api", "apply", *this_image(cluster))
    yield run
    run("--selector", "service=ml-api", "destroy")
    kubectl("delete", "namespace", NAMESPACE, "--wait=true", "--timeout=300s")


def hpa(kubectl: Kubectl) -> dict[str, int]:
    found = items(kubectl, "hpa", NAMESPACE)[RELEASE]
    metrics = found["status"].get("currentMetrics") or []
    measured = [metric["resource"]["current"].get("averageUtilization") for metric in metrics if "resource" in metric]
    return {
        "replicas": found["status"].get("currentReplicas", 0),
        "desired": found["status"].get("desiredReplicas", 0),
        "utilization": measured[0] if measured and measured[0] is not None else -1,
    }


def ready(kubectl: Kubectl) -> int:
    return int(items(kubectl, "deployments", NAMESPACE)[RELEASE]["status"].get("readyReplicas", 0))


def client(kubectl: Kubectl) -> dict[str, object]:
    """Give a pod that asks; it runs in the service's own image."""
    template = items(kubectl, "deployments", NAMESPACE)[RELEASE]["spec"]["template"]["spec"]
    container = template["containers"][0]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "load", "namespace": NAMESPACE},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "securityContext": template["securityContext"],
            "containers": [
                {
                    "name": "load",
                    "image": container["image"],
                    "command": ["python3", "-c", CLIENT],
                    "securityContext": container["securityContext"],
                }
            ],
        },
    }


@pytest.mark.timeout(1500)  # what it waits for, and all that is set up for it
def test_load_adds_replicas_and_they_go_again(helmfile: Helmfile, kubectl: Kubectl) -> None:
    await_true(lambda: hpa(kubectl)["utilization"] >= 0, "the HPA has figures from metrics-server", timeout_s=120)
    await_true(lambda: hpa(kubectl)["desired"] == 1, "without load one replica is enough", timeout_s=120)

    kubectl("apply", "-f", "-", input_text=json.dumps(client(kubectl)))
    await_true(lambda: hpa(kubectl)["utilization"] > 50, "the load shows in the figures", timeout_s=120)
    await_true(lambda: ready(kubectl) >= 2, "the HPA added replicas, and they are ready", timeout_s=120)

    kubectl("delete", "pod", "load", "-n", NAMESPACE, "--wait=true")
    await_true(lambda: hpa(kubectl)["replicas"] == 1 and ready(kubectl) == 1, "it settles again", timeout_s=240)
