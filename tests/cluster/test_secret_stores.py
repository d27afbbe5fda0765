"""The stores of every environment, staging's and the clouds' too, as an API server that has their kind takes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from mldeploy import process
from mldeploy.cluster import ApiServer
from mldeploy.toolchain import tool, tool_environment
from tests.cluster.deploying import ROOT
from tests.cluster.support import Kubectl, kubectl_for, with_kinds, with_namespace

CRDS = ROOT / "policies" / "crds" / "external-secrets.yaml"
# environment, state values, and where the provider says whose token is asked for
STORES = [
    ("dev", "dev.enabled=true", "kubernetes.auth.serviceAccount"),
    ("staging", "staging.enabled=true", "vault.auth.kubernetes.serviceAccountRef"),
    ("staging", "staging.enabled=true,staging.vault=cluster", "vault.auth.kubernetes.serviceAccountRef"),
    ("prod", "prod.enabled=true,prod.cloud=aws", "aws.auth.jwt.serviceAccountRef"),
    ("prod", "prod.enabled=true,prod.cloud=gcp", "gcpsm.auth.workloadIdentity.serviceAccountRef"),
    ("prod", "prod.enabled=true,prod.cloud=azure", "azurekv.serviceAccountRef"),
]
IDENTITY = {
    "aws": {"eks.amazonaws.com/role-arn"},
    "gcpsm": {"iam.gke.io/gcp-service-account"},
    "azurekv": {"azure.workload.identity/client-id", "azure.workload.identity/tenant-id"},
}


@pytest.fixture(scope="module")
def kubectl(api: ApiServer) -> Kubectl:
    run = kubectl_for(api.kubeconfig)
    with_kinds(run, CRDS)
    for namespace in ("dev", "secrets-dev", "staging", "prod"):
        with_namespace(run, namespace)
    return run


def rendered(environment: str, settings: str) -> list[dict[str, Any]]:
    file = ROOT / "deployments" / "published" / "stores.yaml"
    words: list[str | Path] = ["--quiet", "--file", file, "--selector", f"environment={environment}"]
    words += ["--state-values-set", settings, "template"]
    done = process.run([tool("helmfile"), *words], timeout_s=120, cwd=ROOT, env=tool_environment(ROOT))
    return [one for one in yaml.safe_load_all(done.stdout) if one]


@pytest.mark.parametrize(("environment", "settings", "account"), STORES, ids=[one[1] for one in STORES])
def test_the_api_server_takes_it(environment: str, settings: str, account: str, kubectl: Kubectl) -> None:
    documents = rendered(environment, settings)
    for document in documents:
        namespace = document["metadata"].get("namespace", environment)
        words = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "-n", namespace, "-f", "-"]
        assert "serverside-applied" in kubectl(*words, input_text=json.dumps(document))
    by_kind = {document["kind"]: document for document in documents}
    # Of one namespace, and with nothing but the account's own short-lived token.
    assert set(by_kind) <= {"ServiceAccount", "SecretStore", "Role", "RoleBinding"}
    place: Any = by_kind["SecretStore"]["spec"]["provider"]
    (provider,) = place
    for step in account.split("."):
        place = place[step]
    service_account = by_kind["ServiceAccount"]
    assert place["name"] == service_account["metadata"]["name"] == f"{environment}-secret-store"
    assert service_account["automountServiceAccountToken"] is False
    assert set(service_account["metadata"].get("annotations", {})) == IDENTITY.get(provider, set())
    if provider == "azurekv":
        assert service_account["metadata"]["labels"]["azure.workload.identity/use"] == "true"


def test_every_environment_keeps_its_secrets_and_looks_again() -> None:
    words = ["--quiet", "template", "--skip-deps"]
    for environment in ("dev", "staging", "prod"):
        argv = [tool("helmfile"), "--environment", environment, *words]
        text = process.run(argv, timeout_s=120, cwd=ROOT, env=tool_environment(ROOT)).stdout
        wanted = [one for one in yaml.safe_load_all(text) if one and one["kind"] == "ExternalSecret"]
        assert {one["metadata"]["name"] for one in wanted} == {f"{environment}-ml-api", f"{environment}-ml-batch"}
        for one in wanted:
            assert one["spec"]["secretStoreRef"] == {"name": "ml-secrets", "kind": "SecretStore"}
            assert one["spec"]["target"]["deletionPolicy"] == "Retain"
            assert one["spec"]["refreshInterval"] not in {"0", "0s"}
