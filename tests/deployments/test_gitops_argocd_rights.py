"""Argo CD's own program says who may do what by our policies, and how it judges what we deploy; no cluster is asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mldeploy import process
from mldeploy.toolchain import tool

ARGOCD = Path(__file__).parents[2] / "gitops" / "argocd"
INSTALL = ARGOCD / "install"
Argocd = Callable[..., str]


@pytest.fixture(scope="module")
def argocd(tmp_path_factory: pytest.TempPathFactory) -> Argocd:
    """Argo CD's program with a kubeconfig that leads nowhere: it wants one, whatever it is asked."""
    kubeconfig = tmp_path_factory.mktemp("kube") / "config"
    nowhere: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "none",
        "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}],
        "clusters": [{"name": "none", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "none", "user": {}}],
    }
    kubeconfig.write_text(yaml.safe_dump(nowhere), "utf-8")

    def run(*arguments: str | Path, ok: tuple[int, ...] = (0,)) -> str:
        words = [tool("argocd"), "admin", "settings", *arguments]
        return process.run(words, timeout_s=60, ok=ok, env={"KUBECONFIG": str(kubeconfig)}).stdout

    return run


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All policies in one file, as the API server puts the project's roles to the general ones."""
    general = yaml.safe_load((INSTALL / "rbac.yaml").read_text("utf-8"))["data"]
    assert general["policy.default"] == ""
    lines = [general["policy.csv"]]
    project = next(yaml.safe_load_all((ARGOCD / "services" / "project.yaml").read_text("utf-8")))
    for role in project["spec"]["roles"]:
        name = f"proj:{project['metadata']['name']}:{role['name']}"
        assert all(line.startswith(f"p, {name}, ") for line in role["policies"])
        lines += [*role["policies"], *(f"g, {group}, {name}" for group in role["groups"])]
    path = tmp_path_factory.mktemp("policy") / "policy.csv"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def test_the_policies_are_valid(argocd: Argocd, policy: Path) -> None:
    assert "Policy is valid" in argocd("rbac", "validate", "--policy-file", policy)


@pytest.mark.parametrize(
    ("who", "action", "application", "answer"),
    [
        ("ml-platform:engineers", "get", "prod-ml-api", "Yes"),
        ("ml-platform:engineers", "sync", "dev-ml-api", "Yes"),
        ("ml-platform:engineers", "sync", "staging-ml-batch", "Yes"),
        ("ml-platform:engineers", "sync", "prod-ml-api", "No"),
        ("ml-platform:engineers", "delete", "dev-ml-api", "No"),
        ("ml-platform:maintainers", "sync", "prod-ml-api", "Yes"),
        ("ml-platform:maintainers", "override", "prod-ml-api", "No"),
        ("ml-platform:maintainers", "delete", "prod-ml-api", "No"),
        ("somebody", "get", "dev-ml-api", "No"),
    ],
)
def test_who_may_do_what(  # noqa: PLR0917 - fixtures and cases
    who: str, action: str, application: str, answer: str, argocd: Argocd, policy: Path
) -> None:
    asked = ("rbac", "can", who, action, "applications", f"ml-services/{application}", "--policy-file", policy)
    assert argocd(*asked, ok=(0 if answer == "Yes" else 1,)).split()[-1] == answer


@pytest.mark.parametrize(
    ("conditions", "health"),
    [
        ([], "Progressing"),
        ([{"type": "Ready", "status": "False", "message": "no such key"}], "Degraded"),
        ([{"type": "Ready", "status": "True", "message": "secret synced"}], "Healthy"),
    ],
)
def test_an_external_secret_is_as_healthy_as_its_operator_says(
    conditions: list[dict[str, str]], health: str, argocd: Argocd, tmp_path: Path
) -> None:
    secret = {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": "dev-ml-api", "namespace": "dev"},
        "status": {"conditions": conditions},
    }
    path = tmp_path / "secret.yaml"
    path.write_text(yaml.safe_dump(secret), "utf-8")
    said = argocd("resource-overrides", "health", path, "--argocd-cm-path", INSTALL / "config.yaml")
    assert f"STATUS: {health}" in said
