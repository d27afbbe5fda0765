"""ml-api's key on a real node: from dev's store through the operator into the pods, and what happens without it.

The tests of this module go on from each other's state, in their order.
"""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import yaml

from mldeploy import process
from mldeploy.cluster import Cluster
from mldeploy.progress import Quiet
from mldeploy.published import prepare
from mldeploy.secrets import Seeded, seed
from mldeploy.smoke import forward
from tests.cluster.deploying import ROOT, Helmfile, helmfile_for, items, revisions, this_image
from tests.cluster.support import Kubectl, await_true, restricted_pod

PUBLISHED = ("--file", ROOT / "deployments" / "published" / "helmfile.yaml", "--environment", "local")
ML_API = ("--selector", "service=ml-api")
WITH_KEY = {
    "externalSecret": {
        "enabled": True,
        "refreshInterval": "5s",
        "storeRef": {"name": "ml-secrets"},
        "data": {"api-keys": {"key": "dev-ml-api", "property": "api-keys"}},
    }
}
HEADER = {"X-API-Key": {"secret": "{release}", "key": "api-keys"}}
WITH_HEADER = {
    "ml-api": {
        "checks": {
            "prediction": {"http": {"headers": HEADER}},
            "bad-request": {"http": {"headers": HEADER}},
            "latency": {"latency": {"headers": HEADER}},
            "no-key": {"http": {"path": "/v1/predict", "body": {"image": []}, "status": 401}},
        }
    }
}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This checkout, but for dev's values: ml-api asks for its key, and the smoke test sends it."""
    root = tmp_path_factory.mktemp("checkout")
    for name in ("helmfile.yaml", "charts", "scripts"):
        (root / name).symlink_to(ROOT / name)
    for name in ("deployments", "values"):
        shutil.copytree(ROOT / name, root / name)
    layer = root / "values" / "dev" / "ml-api.yaml"
    values: dict[str, Any] = yaml.safe_load(layer.read_text("utf-8"))
    layer.write_text(yaml.safe_dump(values | WITH_KEY), "utf-8")
    (root / "values" / "dev" / "smoke.yaml").write_text(yaml.safe_dump(WITH_HEADER), "utf-8")
    return root


@pytest.fixture(scope="module")
def helmfile(cluster: Cluster, kubectl: Kubectl, checkout: Path) -> Iterator[Helmfile]:
    """helmfile, with the operator installed and dev's store seeded; both are gone afterwards."""
    (images,) = prepare(ROOT, ["external-secrets"], Quiet())
    cluster.load_image(images.archive, Quiet())
    assert seeded(cluster, checkout).written == ("secrets-dev/dev-ml-api: api-keys",)
    helmfile = helmfile_for(cluster)

    def run(*arguments: str | Path, ok: tuple[int, ...] = (0,), cwd: Path = checkout) -> process.Completed:
        return helmfile(*arguments, ok=ok, cwd=cwd)

    run(*PUBLISHED, "apply")
    yield run
    run(*ML_API, "destroy")
    run(*PUBLISHED, "destroy")
    for namespace in ("dev", "secrets-dev", "external-secrets"):
        kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait=true", "--timeout=120s")


@pytest.fixture(scope="module")
def image(cluster: Cluster) -> tuple[str | Path, ...]:
    return this_image(cluster)


def seeded(cluster: Cluster, checkout: Path) -> Seeded:
    return seed(checkout, "dev", Quiet(), kubeconfig=cluster.kubeconfig, context=cluster.context)


def secret(kubectl: Kubectl, namespace: str) -> str:
    data = json.loads(kubectl("get", "secret", "dev-ml-api", "-n", namespace, "-o", "json"))["data"]
    return base64.b64decode(data["api-keys"]).decode()


def synced(kubectl: Kubectl) -> tuple[str, str]:
    """Give the status and the reason of the ExternalSecret's Ready condition."""
    found = items(kubectl, "externalsecrets", "dev")["dev-ml-api"]
    (ready,) = [one for one in found["status"]["conditions"] if one["type"] == "Ready"]
    return ready["status"], ready["reason"]


def answered(cluster: Cluster, *keys: str) -> list[int]:
    """Ask for a prediction with each key ("": without one), and give the statuses."""
    statuses = []
    with forward(cluster.kubeconfig, cluster.context, "dev", "svc/dev-ml-api", 8000) as one:
        for key in keys:
            connection = HTTPConnection("127.0.0.1", one.port, timeout=20)
            headers = {"Content-Type": "application/json"} | ({"X-API-Key": key} if key else {})
            connection.request("POST", "/v1/predict", json.dumps({"image": [[0] * 8] * 8}), headers)
            statuses.append(connection.getresponse().status)
            connection.close()
    return statuses


def test_seeding_again_writes_nothing(helmfile: Helmfile, cluster: Cluster, checkout: Path, kubectl: Kubectl) -> None:
    before = secret(kubectl, "secrets-dev")
    assert len(before) >= 40
    assert seeded(cluster, checkout).written == ()
    assert secret(kubectl, "secrets-dev") == before


def test_installing_again_changes_nothing(helmfile: Helmfile, cluster: Cluster) -> None:
    helmfile(*PUBLISHED, "apply")
    assert revisions(cluster, "external-secrets", "external-secrets") == ["deployed"]
    assert revisions(cluster, "dev", "dev-secret-store") == ["deployed"]


def test_no_pod_can_run_where_the_secrets_are(helmfile: Helmfile, kubectl: Kubectl) -> None:
    pod = json.dumps(restricted_pod("thief", "localhost/mldeploy/any:one"))
    said = kubectl("create", "-n", "secrets-dev", "-f", "-", input_text=pod, ok=(1,))
    assert "exceeded quota: no-pods" in said


@pytest.mark.parametrize(
    ("verb", "what", "namespace", "answer"),
    [
        ("get", "secret/dev-ml-api", "secrets-dev", "yes"),
        ("get", "secret/another", "secrets-dev", "no"),
        ("list", "secrets", "secrets-dev", "no"),
        ("update", "secret/dev-ml-api", "secrets-dev", "no"),
        ("get", "secret/dev-ml-api", "dev", "no"),
        ("get", "secret/dev-ml-api", "kube-system", "no"),
    ],
)
def test_the_store_s_account_may_read_one_secret(  # noqa: PLR0917 - fixtures and cases
    verb: str, what: str, namespace: str, answer: str, helmfile: Helmfile, kubectl: Kubectl
) -> None:
    account = "system:serviceaccount:dev:dev-secret-store"
    assert kubectl("auth", "can-i", verb, what, "-n", namespace, "--as", account, ok=(0, 1)).split()[0] == answer


def test_the_api_answers_only_to_the_key_that_came_through_the_store(
    helmfile: Helmfile, image: tuple[str | Path, ...], cluster: Cluster, kubectl: Kubectl
) -> None:
    done = helmfile(*ML_API, "apply", *image)
    key = secret(kubectl, "secrets-dev")
    assert synced(kubectl) == ("True", "SecretSynced")
    assert secret(kubectl, "dev") == key
    assert answered(cluster, "", "wrong", key) == [401, 401, 200]
    for shown in (done.stdout, done.stderr, kubectl("get", "deployments,configmaps,pods", "-n", "dev", "-o", "yaml")):
        assert key not in shown
        assert base64.b64encode(key.encode()).decode() not in shown


def test_a_source_that_is_missing_keeps_what_runs_and_recovers_unaided(
    helmfile: Helmfile, cluster: Cluster, checkout: Path, kubectl: Kubectl
) -> None:
    key = secret(kubectl, "dev").split()[0]
    kubectl("delete", "secret", "dev-ml-api", "-n", "secrets-dev")
    await_true(lambda: synced(kubectl)[0] == "False", "the operator says that the source is gone")
    assert answered(cluster, key) == [200]
    assert seeded(cluster, checkout).written == ("secrets-dev/dev-ml-api: api-keys",)
    await_true(lambda: synced(kubectl)[0] == "True", "the operator finds the source again")


def test_a_deploy_without_its_source_names_the_external_secret(
    helmfile: Helmfile, image: tuple[str | Path, ...], cluster: Cluster, checkout: Path
) -> None:
    base = checkout / "deployments" / "base.yaml"
    text = base.read_text("utf-8")
    assert text.count("timeout: 300\n") == 1
    base.write_text(text.replace("timeout: 300\n", "timeout: 15\n"), "utf-8")
    helmfile(*ML_API, "destroy")
    done = helmfile(*ML_API, "apply", *image, "--set", "externalSecret.data.api-keys.property=absent", ok=(1,))
    said = done.stdout + done.stderr
    assert "dev-ml-api: ExternalSecret dev-ml-api cannot be synced: " in said
    assert "property absent does not exist in data of secret" in said
    assert revisions(cluster, "dev", "dev-ml-api") == []
