"""ml-api's key on a real node: from dev's store through the operator into the pods, by `up`'s own steps.

The tests of this module go on from each other's state, in their order.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest

from mldeploy import process
from mldeploy.cluster import Cluster
from mldeploy.progress import Quiet
from mldeploy.secrets import seed
from mldeploy.smoke import smoke
from mldeploy.up.place import Place
from mldeploy.up.stores import install_operator, install_store
from tests.cluster.deploying import ROOT, Helmfile, helmfile_for, revisions, this_image
from tests.cluster.secret_support import answered, secret, synced
from tests.cluster.support import Kubectl, restricted_pod


@pytest.fixture(scope="module")
def helmfile(cluster: Cluster, kubectl: Kubectl, store: Place) -> Iterator[Helmfile]:
    """helmfile, with the operator installed and dev's store seeded."""
    run = helmfile_for(cluster)
    yield run
    run("destroy")
    kubectl("delete", "namespace", "dev", "--ignore-not-found", "--wait=true", "--timeout=300s")


def test_doing_it_again_changes_nothing(store: Place, cluster: Cluster, kubectl: Kubectl) -> None:
    before = secret(kubectl, "secrets-dev")
    assert len(before) >= 40
    assert seed(ROOT, "dev", Quiet(), kubeconfig=cluster.kubeconfig, context=cluster.context).written == ()
    assert secret(kubectl, "secrets-dev") == before
    assert not install_operator(store)
    assert not install_store(store, "dev")
    assert revisions(cluster, "external-secrets", "external-secrets") == ["deployed"]
    assert revisions(cluster, "dev", "dev-secret-store") == ["deployed"]


def test_no_pod_can_run_where_the_secrets_are(store: Place, kubectl: Kubectl) -> None:
    pod = json.dumps(restricted_pod("thief", "localhost/mldeploy/any:one"))
    said = kubectl("create", "-n", "secrets-dev", "-f", "-", input_text=pod, ok=(1,))
    assert "exceeded quota: no-pods" in said


@pytest.mark.parametrize(
    ("verb", "what", "namespace", "answer"),
    [
        ("get", "secret/dev-ml-api", "secrets-dev", "yes"),
        ("get", "secret/dev-ml-batch", "secrets-dev", "yes"),
        ("get", "secret/another", "secrets-dev", "no"),
        ("list", "secrets", "secrets-dev", "no"),
        ("update", "secret/dev-ml-api", "secrets-dev", "no"),
        ("get", "secret/dev-ml-api", "dev", "no"),
        ("get", "secret/dev-ml-api", "kube-system", "no"),
    ],
)
def test_the_store_s_account_may_read_its_secrets(  # noqa: PLR0917 - fixtures and cases
    verb: str, what: str, namespace: str, answer: str, store: Place, kubectl: Kubectl
) -> None:
    account = "system:serviceaccount:dev:dev-secret-store"
    assert kubectl("auth", "can-i", verb, what, "-n", namespace, "--as", account, ok=(0, 1)).split()[0] == answer


def test_the_api_answers_only_to_the_key_that_came_through_the_store(
    helmfile: Helmfile, cluster: Cluster, kubectl: Kubectl
) -> None:
    done = helmfile("apply", *this_image(cluster, keys=True))
    key = secret(kubectl, "secrets-dev")
    assert synced(kubectl) == ("True", "SecretSynced")
    assert secret(kubectl, "dev") == key
    assert answered(cluster, "", "wrong", key) == [401, 401, 200]
    for shown in (done.stdout, done.stderr, kubectl("get", "deployments,configmaps,pods", "-n", "dev", "-o", "yaml")):
        assert key not in shown
        assert base64.b64encode(key.encode()).decode() not in shown


def test_the_queue_answers_only_to_its_password(helmfile: Helmfile, kubectl: Kubectl) -> None:
    password = secret(kubectl, "secrets-dev", "dev-ml-batch", "redis-password")
    assert secret(kubectl, "dev", "dev-ml-batch", "redis-password") == password
    assert password not in secret(kubectl, "dev", "dev-ml-batch", "users.acl")
    ask = ("exec", "-n", "dev", "deployment/dev-ml-batch-redis", "--", "redis-cli", "--no-auth-warning")
    assert kubectl(*ask, "ping").strip() == "NOAUTH Authentication required."
    assert kubectl(*ask, "--pass", "wrong", "ping").strip() != "PONG"
    assert kubectl(*ask, "--user", "reader", "--pass", "none", "keys", "*").startswith("NOPERM ")


def test_the_smoke_test_sends_keys_and_sees_that_they_are_asked_for(helmfile: Helmfile, cluster: Cluster) -> None:
    results = smoke(ROOT, "dev", kubeconfig=cluster.kubeconfig, context=cluster.context, progress=Quiet())
    assert {result.name: result.message for result in results if result.outcome != "passed"} == {}
    assert {"prediction", "no-key", "wrong-key", "job"} <= {result.name for result in results}


def test_helm_s_own_tests_pass(helmfile: Helmfile) -> None:
    done: process.Completed = helmfile("test")
    assert (done.stdout + done.stderr).count("Phase:          Succeeded") == 2
