"""Keys change under continuous requests, on a real node with several pods: nobody is refused in the overlap.

The tests of this module go on from each other's state, in their order.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

import pytest
import yaml

from mldeploy.cluster import Cluster
from mldeploy.errors import MldeployError
from mldeploy.progress import Quiet
from mldeploy.secrets import retire, rotate, seed
from mldeploy.smoke import forward, smoke
from mldeploy.up.place import Place
from tests.cluster.deploying import helmfile_for, items, this_image
from tests.cluster.secret_support import answered, own_checkout, predict, secret
from tests.cluster.support import Kubectl, await_true


class Where(TypedDict):
    """How a command finds the cluster."""

    kubeconfig: Path
    context: str


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return own_checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module", autouse=True)
def deployed(cluster: Cluster, kubectl: Kubectl, store: Place) -> Iterator[None]:
    """Both services, ml-api with three pods that no HPA changes."""
    image = this_image(cluster, keys=True)
    helmfile = helmfile_for(cluster)
    three = ("--set", "autoscaling.minReplicas=3", "--set", "autoscaling.maxReplicas=3")
    helmfile("--selector", "service=ml-api", "apply", *image, *three)
    helmfile("--selector", "service=ml-batch", "apply", *image)
    # The rollout itself knows nothing of three: they are the HPA's.
    three_ready = "--for=jsonpath={.status.readyReplicas}=3"
    kubectl("wait", "deployment/dev-ml-api", "-n", "dev", three_ready, "--timeout=110s")
    yield
    helmfile("destroy")
    kubectl("delete", "namespace", "dev", "--ignore-not-found", "--wait=true", "--timeout=300s")


def where(cluster: Cluster) -> Where:
    return {"kubeconfig": cluster.kubeconfig, "context": cluster.context}


def pods_of(kubectl: Kubectl, deployment: str) -> set[str]:
    return {name for name in items(kubectl, "pods", "dev") if name.rpartition("-")[0].rpartition("-")[0] == deployment}


@dataclass
class Clients:
    """Statuses by client; `key` gives each client's key anew for every request."""

    port: int
    stop: threading.Event = field(default_factory=threading.Event)
    statuses: dict[str, list[int]] = field(default_factory=dict)

    def start(self, name: str, key: Callable[[], str]) -> threading.Thread:
        seen = self.statuses.setdefault(name, [])

        def ask() -> None:
            while not self.stop.is_set():
                seen.append(predict(self.port, key()))

        thread = threading.Thread(target=ask, name=name)
        thread.start()
        return thread


@contextmanager
def clients(cluster: Cluster, **keys: Callable[[], str]) -> Iterator[Clients]:
    """Clients that ask all the time, each through a forward to a pod; they end with the block."""
    with forward(cluster.kubeconfig, cluster.context, "dev", "svc/dev-ml-api", 8000) as one:
        asking = Clients(one.port)
        threads = [asking.start(name, key) for name, key in keys.items()]
        try:
            yield asking
        finally:
            asking.stop.set()
            for thread in threads:
                thread.join()


def test_nobody_is_refused_while_a_key_is_rotated(cluster: Cluster, kubectl: Kubectl, checkout: Path) -> None:
    old = secret(kubectl, "dev").split()[0]
    pods = pods_of(kubectl, "dev-ml-api")

    def from_the_secret() -> str:
        return secret(kubectl, "dev").split()[0]

    with clients(cluster, old=lambda: old, secret=from_the_secret) as asking:
        changed = rotate(checkout, "dev", "ml-api", Quiet(), **where(cluster))
        new = from_the_secret()
    assert changed == ("secrets-dev/dev-ml-api: api-keys",)
    assert new != old
    assert len(new) >= 40
    for name, statuses in asking.statuses.items():
        assert statuses, name
        assert set(statuses) == {200}, name
    # The very next thing anybody does with the new key, on whichever pod.
    results = smoke(checkout, "dev", progress=Quiet(), **where(cluster))
    assert {result.name: result.message for result in results if result.outcome != "passed"} == {}
    assert pods_of(kubectl, "dev-ml-api") == pods


def test_a_second_rotation_waits_for_the_first_to_end(cluster: Cluster, checkout: Path) -> None:
    with pytest.raises(MldeployError, match="2 keys: a rotation is under way"):
        rotate(checkout, "dev", "ml-api", Quiet(), **where(cluster))


def test_the_old_key_is_refused_by_every_pod_when_it_is_retired(
    cluster: Cluster, kubectl: Kubectl, checkout: Path
) -> None:
    new, old = secret(kubectl, "dev").split()
    with clients(cluster, new=lambda: new) as asking:
        assert retire(checkout, "dev", "ml-api", Quiet(), **where(cluster)) == ("secrets-dev/dev-ml-api: api-keys",)
    assert set(asking.statuses["new"]) == {200}
    assert answered(cluster, old, new) == [401, 200]
    assert secret(kubectl, "dev") == new
    assert retire(checkout, "dev", "ml-api", Quiet(), **where(cluster)) == ()


def test_the_queue_s_password_is_rotated_and_no_job_is_lost(cluster: Cluster, kubectl: Kubectl, checkout: Path) -> None:
    def password() -> str:
        return secret(kubectl, "dev", "dev-ml-batch", "redis-password")

    old, pods = password(), pods_of(kubectl, "dev-ml-batch-redis")
    assert rotate(checkout, "dev", "ml-batch", Quiet(), **where(cluster))
    new = password()
    assert new != old
    ask = ("exec", "-n", "dev", "deployment/dev-ml-batch-redis", "--", "redis-cli", "--no-auth-warning", "--pass")
    assert [kubectl(*ask, one, "ping").strip() for one in (old, new)] == ["PONG", "PONG"]
    results = smoke(checkout, "dev", progress=Quiet(), **where(cluster))
    assert {result.name: result.message for result in results if result.outcome != "passed"} == {}
    assert retire(checkout, "dev", "ml-batch", Quiet(), **where(cluster))
    assert kubectl(*ask, new, "ping").strip() == "PONG"
    assert kubectl(*ask, old, "ping").strip() != "PONG"
    results = smoke(checkout, "dev", progress=Quiet(), **where(cluster))
    assert {result.name: result.message for result in results if result.outcome != "passed"} == {}
    # The same Redis: its jobs were never in danger.
    assert pods_of(kubectl, "dev-ml-batch-redis") == pods


def test_a_file_s_keys_go_before_what_is_there_and_the_pods_follow(
    cluster: Cluster, kubectl: Kubectl, checkout: Path
) -> None:
    """By hand: the new key below the old one. Pods read both without a restart, and the old one is never refused."""
    old, new = secret(kubectl, "secrets-dev"), "chosen-by-hand-7c1d"
    pods = pods_of(kubectl, "dev-ml-api")
    path = checkout / ".mldeploy" / "secrets" / "dev.yaml"
    path.parent.mkdir(parents=True)
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump({"dev-ml-api": {"api-keys": f"{old}\n{new}"}}), "utf-8")
    written = seed(checkout, "dev", Quiet(), **where(cluster)).written
    assert written == ("secrets-dev/dev-ml-api: api-keys",)

    def followed() -> bool:
        statuses = answered(cluster, old, new)
        assert statuses[0] == 200
        return statuses[1] == 200

    # Nobody asks the kubelet to hurry here.
    await_true(followed, "a pod accepts the new key", timeout_s=240)
    assert pods_of(kubectl, "dev-ml-api") == pods
    with pytest.raises(MldeployError, match="would set it again"):
        rotate(checkout, "dev", "ml-api", Quiet(), **where(cluster))
