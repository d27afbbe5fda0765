"""What a deploy says when its secrets cannot be had, that what runs keeps them, and that it recovers unaided.

The tests of this module go on from each other's state, in their order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from mldeploy import process
from mldeploy.cluster import Cluster, api_server
from mldeploy.progress import Quiet
from mldeploy.secrets import seed
from mldeploy.secrets.following import sync
from mldeploy.smoke.kube import connect, disconnect
from mldeploy.toolchain import tool, tool_environment
from mldeploy.up.place import Place
from mldeploy.values import Workspace
from tests.cluster.deploying import ROOT, Helmfile, helmfile_for, items, revisions, this_image
from tests.cluster.secret_support import ML_API, answered, own_checkout, secret, synced
from tests.cluster.support import Kubectl, await_true, kubectl_for

# Far below Helm's own 300 s, however busy the machine is.
SOON_S = 120.0


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return own_checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def apply(
    cluster: Cluster, kubectl: Kubectl, store: Place, checkout: Path
) -> Iterator[Callable[..., process.Completed]]:
    """Apply ml-api; `data` are its externalSecret.data's settings."""
    helmfile: Helmfile = helmfile_for(cluster)
    image = this_image(cluster, keys=True)

    def run(*settings: str, ok: tuple[int, ...] = (0,)) -> process.Completed:
        sets = [word for one in settings for word in ("--set", one)]
        return helmfile(*ML_API, "apply", *image, *sets, ok=ok, cwd=checkout)

    yield run
    helmfile(*ML_API, "destroy", cwd=checkout)
    kubectl("delete", "namespace", "dev", "--ignore-not-found", "--wait=true", "--timeout=300s")


def refused(done: process.Completed) -> str:
    """Give the one message that stopped a deploy."""
    said = [line for line in (done.stdout + done.stderr).splitlines() if "cannot be synced" in line]
    assert done.seconds < SOON_S
    assert said, done.stdout + done.stderr
    return said[0]


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("externalSecret.data.api-keys.property=absent", "property absent does not exist in data of secret"),
        ("externalSecret.data.api-keys.key=dev-absent", "dev-absent"),
        ("externalSecret.storeRef.name=absent", 'could not get SecretStore "absent"'),
    ],
    ids=["property", "secret", "store"],
)
def test_a_first_deploy_without_its_source_stops_at_once(
    setting: str, reason: str, apply: Callable[..., process.Completed], cluster: Cluster, kubectl: Kubectl
) -> None:
    message = refused(apply(setting, ok=(1,)))
    assert "ExternalSecret dev-ml-api cannot be synced" in message
    assert reason in message
    assert revisions(cluster, "dev", "dev-ml-api") == []
    assert "dev-ml-api" not in items(kubectl, "deployments", "dev")
    await_true(lambda: not items(kubectl, "externalsecrets", "dev"), "the copy that was tried is gone")


def test_an_upgrade_without_its_source_stops_at_once_and_what_runs_keeps_its_key(
    apply: Callable[..., process.Completed], cluster: Cluster, kubectl: Kubectl
) -> None:
    apply()
    key = secret(kubectl, "dev")
    kubectl("delete", "secret", "dev-ml-api", "-n", "secrets-dev")
    await_true(lambda: synced(kubectl)[0] == "False", "the operator says that the source is gone")
    message = refused(apply("config.logLevel=error", ok=(1,)))
    assert "ExternalSecret dev-ml-api cannot be synced" in message
    assert revisions(cluster, "dev", "dev-ml-api") == ["deployed"]
    assert secret(kubectl, "dev") == key
    assert answered(cluster, key) == [200]


def test_it_recovers_unaided_when_the_source_returns(
    apply: Callable[..., process.Completed], cluster: Cluster, kubectl: Kubectl, checkout: Path
) -> None:
    seeded = seed(checkout, "dev", Quiet(), kubeconfig=cluster.kubeconfig, context=cluster.context)
    assert seeded.written == ("secrets-dev/dev-ml-api: api-keys",)
    await_true(lambda: synced(kubectl)[0] == "True", "the operator finds the source again", timeout_s=180)
    apply("config.logLevel=error")
    assert revisions(cluster, "dev", "dev-ml-api") == ["superseded", "deployed"]


def refreshed(kubectl: Kubectl) -> str:
    """When the operator last fetched dev-ml-api's secrets."""
    return str(items(kubectl, "externalsecrets", "dev")["dev-ml-api"]["status"]["refreshTime"])


@contextmanager
def without(kubectl: Kubectl, *deployments: str) -> Iterator[None]:
    """The operator's Deployments at no replicas."""
    names = [f"deployment/{name}" for name in deployments]
    kubectl("scale", *names, "-n", "external-secrets", "--replicas=0")
    for name in deployments:
        selector = f"app.kubernetes.io/name={name}"
        kubectl("wait", "pods", "-n", "external-secrets", "-l", selector, "--for=delete", "--timeout=90s")
    try:
        yield
    finally:
        kubectl("scale", *names, "-n", "external-secrets", "--replicas=1")
        for name in names:
            kubectl("rollout", "status", name, "-n", "external-secrets", "--timeout=120s")


@contextmanager
def without_the_store_s_rights(kubectl: Kubectl) -> Iterator[None]:
    """A store that answers nobody: its account may read nothing."""
    binding = kubectl("get", "rolebinding", "dev-secret-store", "-n", "secrets-dev", "-o", "json")
    kubectl("delete", "rolebinding", "dev-secret-store", "-n", "secrets-dev")
    try:
        yield
    finally:
        kubectl("create", "-f", "-", input_text=binding)


FAULTS: dict[str, tuple[Callable[[Kubectl], AbstractContextManager[None]], str]] = {
    "operator": (lambda kubectl: without(kubectl, "external-secrets"), "the operator says nothing about it"),
    "webhook": (lambda kubectl: without(kubectl, "external-secrets-webhook"), "failed calling webhook"),
    "store": (without_the_store_s_rights, "forbidden"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_deploy_stops_and_goes_through_when_the_fault_is_over(
    fault: str, apply: Callable[..., process.Completed], cluster: Cluster, kubectl: Kubectl
) -> None:
    before, key = revisions(cluster, "dev", "dev-ml-api"), secret(kubectl, "dev")
    break_it, reason = FAULTS[fault]
    with break_it(kubectl):
        done = apply(f"config.maxQueue={len(fault)}", ok=(1,))
        assert reason in done.stdout + done.stderr
        assert "dev-ml-api" in done.stdout + done.stderr
        assert done.seconds < SOON_S
        assert revisions(cluster, "dev", "dev-ml-api") == before
        assert secret(kubectl, "dev") == key
        assert answered(cluster, key) == [200]
        before_it_ended = refreshed(kubectl)
    # What an operator said that is away is no proof that it is back.
    await_true(lambda: refreshed(kubectl) != before_it_ended, "the operator looks again", timeout_s=180)
    await_true(lambda: synced(kubectl)[0] == "True", "the operator syncs again", timeout_s=180)
    apply(f"config.maxQueue={len(fault)}")
    assert revisions(cluster, "dev", "dev-ml-api")[-1] == "deployed"


def test_a_refusal_from_before_does_not_stop_a_sync(
    apply: Callable[..., process.Completed], cluster: Cluster, kubectl: Kubectl, checkout: Path
) -> None:
    kubectl("delete", "secret", "dev-ml-api", "-n", "secrets-dev")
    await_true(lambda: synced(kubectl)[0] == "False", "the operator says that the source is gone")
    seed(checkout, "dev", Quiet(), kubeconfig=cluster.kubeconfig, context=cluster.context)
    api = connect(cluster.kubeconfig, cluster.context)
    try:
        sync(api, Workspace(checkout).release("dev", "ml-api"))
    finally:
        disconnect(api)
    assert synced(kubectl)[0] == "True"


def test_a_cluster_without_the_kinds_is_told_so(tmp_path: Path) -> None:
    """An API server that never saw the operator: the deploy stops there, and nothing is changed."""
    with api_server(tmp_path, f"bare-{os.getpid()}") as bare:
        environment = {**tool_environment(ROOT), "KUBECONFIG": str(bare.kubeconfig)}
        done = process.run(
            [tool("helmfile"), "--no-color", *ML_API, "apply"], timeout_s=120, ok=(1,), cwd=ROOT, env=environment
        )
        said = done.stdout + done.stderr
        assert 'no matches for kind "ExternalSecret"' in said
        assert "dev-ml-api" in said
        assert "dev-ml-api" not in kubectl_for(bare.kubeconfig)("get", "deployments,configmaps", "-A", "-o", "name")
