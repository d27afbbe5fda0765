"""KEDA on a real node: ml-batch's workers come with the jobs and go with them, and what happens when KEDA cannot ask.

The tests of this module go on from each other's state, in their order: each begins and ends without a worker.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis
import yaml

from mldeploy import process
from mldeploy.cluster import Cluster
from mldeploy.progress import Quiet
from mldeploy.published import prepare
from mldeploy.smoke import forward
from mldeploy.up.place import Place
from tests.cluster.deploying import ROOT, helmfile_for, items, this_image
from tests.cluster.secret_support import secret
from tests.cluster.support import Kubectl, await_true

PUBLISHED = ROOT / "deployments" / "published" / "helmfile.yaml"
KEDA = ("--file", PUBLISHED, "--environment", "local", "--selector", "service=keda")
ML_BATCH = ("--selector", "service=ml-batch")
RELEASE, NAMESPACE = "dev-ml-batch", "dev"
STREAM, GROUP = "ml:jobs", "ml-batch"
JOBS, MOST, FALLBACK = 200, 4, 2
# A job that takes a worker as slow as this one a good part of a second: the queue outlives the HPA's period (15 s).
BODY = json.dumps({"images": [[[1] * 8] * 8] * 400})
FAST = {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": MOST, "periodSeconds": 1}]}
WITH_KEDA: dict[str, Any] = {
    "autoscaling": {"enabled": False},
    "keda": {
        "enabled": True,
        "maxReplicas": MOST,
        "pollingIntervalSeconds": 1,
        "cooldownSeconds": 5,
        "redisStreams": {"lagCount": 10},
        "fallback": {"failureThreshold": 2, "replicas": FALLBACK},
        "behavior": {"scaleUp": FAST, "scaleDown": FAST},
    },
    # One job at a time: however slow the machine, none is idle for as long as a lost one.
    "config": {"maxBatch": 400, "batchJobs": 1, "claimIdleSeconds": 10},
    "resources": {"requests": {"cpu": "25m"}, "limits": {"cpu": "150m"}},
}


Apply = Callable[[dict[str, Any]], process.Completed]


@pytest.fixture(scope="module")
def apply(
    cluster: Cluster, kubectl: Kubectl, store: Place, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Apply]:
    """Deploys ml-batch with further values, its password from dev's store; it and KEDA are gone afterwards."""
    (images,) = prepare(ROOT, ["keda"], Quiet())
    cluster.load_image(images.archive, Quiet())
    helmfile = helmfile_for(cluster)
    helmfile(*KEDA, "apply")
    image = this_image(cluster, keys=True)
    more = tmp_path_factory.mktemp("values") / "keda.yaml"

    def run(values: dict[str, Any]) -> process.Completed:
        more.write_text(yaml.safe_dump(values), "utf-8")
        return helmfile(*ML_BATCH, "apply", *image, "--values", more)

    run(WITH_KEDA)
    yield run
    # The operator last: without it nobody ends what waits for the ScaledObject's finalizer.
    helmfile(*ML_BATCH, "destroy")
    kubectl("delete", "namespace", NAMESPACE, "--wait=true", "--timeout=300s")
    helmfile(*KEDA, "destroy")
    kubectl("delete", "namespace", "keda", "--wait=true", "--timeout=300s")


@contextmanager
def queue(cluster: Cluster, kubectl: Kubectl) -> Iterator[redis.Redis]:
    password = secret(kubectl, NAMESPACE, RELEASE, "redis-password")
    with forward(cluster.kubeconfig, cluster.context, NAMESPACE, f"svc/{RELEASE}-redis", 6379) as one:
        client = redis.Redis(host="127.0.0.1", port=one.port, password=password, socket_timeout=30, protocol=2)
        yield client
        client.close()


def workers(kubectl: Kubectl) -> int:
    return int(items(kubectl, "deployments", NAMESPACE)[RELEASE]["spec"]["replicas"])


def pods(kubectl: Kubectl) -> int:
    selector = f"app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component=worker"
    return len(json.loads(kubectl("get", "pods", "-n", NAMESPACE, "-l", selector, "-o", "json"))["items"])


def condition(kubectl: Kubectl, kind: str) -> str:
    status = items(kubectl, "scaledobjects", NAMESPACE)[RELEASE].get("status", {})
    return next((one["status"] for one in status.get("conditions", []) if one["type"] == kind), "")


def await_no_worker(kubectl: Kubectl, after: str) -> None:
    await_true(lambda: workers(kubectl) == 0 and pods(kubectl) == 0, f"no worker is left {after}", timeout_s=180)


def calls(client: redis.Redis) -> dict[str, int]:
    """Count the commands that Redis was asked for."""
    found: dict[str, dict[str, int]] = client.info("commandstats")
    return {name.removeprefix("cmdstat_"): counts["calls"] for name, counts in found.items()}


@pytest.mark.timeout(1500)  # what it waits for, and all that is set up for it
def test_workers_come_with_the_jobs_and_go_with_them(apply: Apply, cluster: Cluster, kubectl: Kubectl) -> None:
    await_true(lambda: condition(kubectl, "Ready") == "True", "KEDA has taken the ScaledObject", timeout_s=60)
    await_no_worker(kubectl, "while nothing waits")
    with queue(cluster, kubectl) as client:
        client.config_resetstat()
        for number in range(JOBS):
            client.xadd(STREAM, {"id": f"job-{number}", "body": BODY})
        seen: set[int] = set()

        def answered() -> bool:
            seen.add(workers(kubectl))
            return int(client.xlen(STREAM)) == 0

        await_true(answered, f"all {JOBS} jobs are answered", timeout_s=300)
        results = [json.loads(client.get(f"{STREAM}:result:job-{number}") or b"{}") for number in range(JOBS)]
        assert {(result.get("id"), result.get("status")) for result in results} == {
            (f"job-{number}", "done") for number in range(JOBS)
        }
        # Once each: no worker has stored a second result, or acknowledged a job that another had.
        asked = calls(client)
        assert (asked["set"], asked["xack"], asked["xdel"]) == (JOBS, JOBS, JOBS)
        assert client.xpending(STREAM, GROUP)["pending"] == 0
    assert max(seen) > 1, f"one worker was not enough for {JOBS} jobs; there were {sorted(seen)}"
    assert max(seen) <= MOST
    await_no_worker(kubectl, "when everything is answered")


def test_a_lost_worker_s_job_brings_another_worker(cluster: Cluster, kubectl: Kubectl) -> None:
    with queue(cluster, kubectl) as client:
        # Taken in the moment in which it comes: nothing waits, so that only its being unanswered can count.
        with client.pipeline(transaction=True) as transaction:
            transaction.xadd(STREAM, {"id": "abandoned", "body": BODY})
            transaction.xreadgroup(GROUP, "lost-worker", {STREAM: ">"}, count=1)
            transaction.execute()
        await_true(lambda: client.get(f"{STREAM}:result:abandoned") is not None, "it is answered", timeout_s=240)
    await_no_worker(kubectl, "when it is answered")


def test_a_source_that_fails_has_the_fallback_s_number_of_workers(apply: Apply, kubectl: Kubectl) -> None:
    # With a worker at all times: KEDA leaves the fallback to its HPA, which leaves a Deployment without pods alone. Not
    # with the queue itself: without Redis there is no scaler that could fail, and KEDA leaves the workers as they are.
    nowhere = {
        "type": "prometheus",
        "name": "nowhere",
        "metadata": {"serverAddress": "http://127.0.0.1:9", "query": "up", "threshold": "1"},
    }
    keda = {**WITH_KEDA["keda"], "minReplicas": 1}
    apply({**WITH_KEDA, "keda": {**keda, "triggers": [nowhere]}})
    await_true(lambda: workers(kubectl) == FALLBACK, "as many workers as the fallback says", timeout_s=240)
    await_true(lambda: condition(kubectl, "Fallback") == "True", "KEDA says that it falls back", timeout_s=30)
    apply({**WITH_KEDA, "keda": keda})
    await_true(lambda: workers(kubectl) == 1, "without that source one worker is enough", timeout_s=180)
    apply(WITH_KEDA)
    await_no_worker(kubectl, "where none has to stay")


def test_one_apply_changes_between_keda_and_an_hpa(apply: Apply, kubectl: Kubectl) -> None:
    assert workers(kubectl) == 0
    apply({})
    await_true(lambda: set(items(kubectl, "hpa", NAMESPACE)) == {RELEASE}, "only the chart's HPA is left", timeout_s=60)
    assert items(kubectl, "scaledobjects", NAMESPACE) == {}
    await_true(lambda: workers(kubectl) >= 1, "a worker is back, which an HPA would not have brought", timeout_s=60)
    apply(WITH_KEDA)
    await_true(
        lambda: set(items(kubectl, "hpa", NAMESPACE)) == {f"keda-hpa-{RELEASE}"}, "only KEDA's is left", timeout_s=60
    )
    await_no_worker(kubectl, "under KEDA again")
