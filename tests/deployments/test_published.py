"""deployments/published as helmfile sees it, from both sources; nothing is reached."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mldeploy import process
from mldeploy.progress import Quiet
from mldeploy.published import BuiltImages, prepare
from mldeploy.vault.place import CA_CONFIG_MAP, CA_KEY, HOST

Helmfile = Callable[..., process.Completed]
FILE = Path("deployments") / "published" / "helmfile.yaml"


@pytest.fixture(scope="module")
def operator(root: Path) -> BuiltImages:
    operator, _ = prepare(root, ["external-secrets", "keda"], Quiet())
    return operator


@pytest.fixture(scope="module")
def keda(root: Path) -> BuiltImages:
    (images,) = prepare(root, ["keda"], Quiet())
    return images


def listed(helmfile: Helmfile, *arguments: str | Path) -> dict[str, dict[str, Any]]:
    # Each of the nested files prints a list of its own.
    text = helmfile("--file", FILE, *arguments, "list", "--output", "json").stdout
    decoder, found = json.JSONDecoder(), []
    while text := text.lstrip():
        part, end = decoder.raw_decode(text)
        found += part
        text = text[end:]
    return {release["name"]: release for release in found}


def rendered(helmfile: Helmfile, *arguments: str) -> list[dict[str, Any]]:
    text = helmfile("--file", FILE, "--environment", "local", *arguments, "template").stdout
    return [document for document in yaml.load_all(text, yaml.CSafeLoader) if document]


def test_the_publishers_repositories_are_the_source_unless_another_is_named(helmfile: Helmfile) -> None:
    releases = {name: release for name, release in listed(helmfile).items() if release["enabled"]}
    assert {name: (release["chart"], release["version"]) for name, release in releases.items()} == {
        "external-secrets": ("external-secrets/external-secrets", "0.20.4"),
        "keda": ("kedacore/keda", "2.21.0"),
        "metrics-server": ("metrics-server/metrics-server", "3.13.0"),
        "dev-secret-store": ("secret-store", ""),
    }


def test_local_takes_the_pinned_module_and_no_second_metrics_server(
    helmfile: Helmfile, operator: BuiltImages, root: Path
) -> None:
    releases = listed(helmfile, "--environment", "local")
    assert releases["external-secrets"]["chart"] == str(root.resolve() / ".mldeploy/published/external-secrets/chart")
    assert releases["keda"]["chart"] == str(root.resolve() / ".mldeploy/published/keda/chart")
    enabled = {name for name, release in releases.items() if release["enabled"]}
    assert enabled == {"external-secrets", "keda", "dev-secret-store"}


def test_both_sources_have_the_same_version(helmfile: Helmfile, operator: BuiltImages, root: Path) -> None:
    pins = tomllib.loads((root / "scripts" / "toolchain" / "tools.toml").read_text("utf-8"))
    version = pins["external-secrets"]["version"]
    for name in ("external-secrets", "keda"):
        chart = yaml.safe_load((root / f".mldeploy/published/{name}/chart/Chart.yaml").read_text("utf-8"))
        assert f"v{chart['version']}" == f"v{listed(helmfile)[name]['version']}" == pins[name]["version"]
    chart = yaml.safe_load((root / ".mldeploy/published/external-secrets/chart/Chart.yaml").read_text("utf-8"))
    published = yaml.safe_load((root / "deployments/published/repositories.yaml").read_text("utf-8"))
    assert chart["appVersion"] == published["externalSecrets"]["image"]["tag"] == version


def test_what_local_installs(helmfile: Helmfile, operator: BuiltImages) -> None:
    documents = rendered(helmfile, "--selector", "service=external-secrets")
    crds = {document["metadata"]["name"] for document in documents if document["kind"] == "CustomResourceDefinition"}
    assert {"externalsecrets.external-secrets.io", "secretstores.external-secrets.io"} <= crds
    deployments = [document for document in documents if document["kind"] == "Deployment"]
    assert {document["metadata"]["name"] for document in deployments} == {
        "external-secrets",
        "external-secrets-webhook",
        "external-secrets-cert-controller",
    }
    for deployment in deployments:
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        assert container["image"] == operator.references["external-secrets"]
        assert container["resources"]["limits"]["memory"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_what_local_installs_of_keda(helmfile: Helmfile, keda: BuiltImages) -> None:
    documents = rendered(helmfile, "--selector", "service=keda")
    by_kind: dict[str, dict[str, dict[str, Any]]] = {}
    for document in documents:
        by_kind.setdefault(document["kind"], {})[document["metadata"]["name"]] = document
    assert {"scaledobjects.keda.sh", "triggerauthentications.keda.sh"} <= by_kind["CustomResourceDefinition"].keys()
    assert "Namespace" not in by_kind
    # Names as in the publisher's chart, each with its own program's image.
    programs = {
        "keda-operator": "keda",
        "keda-operator-metrics-apiserver": "keda-adapter",
        "keda-admission-webhooks": "keda-admission-webhooks",
    }
    assert by_kind["Deployment"].keys() == programs.keys()
    services = by_kind["Service"]
    for name, deployment in by_kind["Deployment"].items():
        template = deployment["spec"]["template"]
        (container,) = template["spec"]["containers"]
        assert container["image"] == keda.references[programs[name]]
        assert container["command"] == [f"/{programs[name]}"]
        assert container["imagePullPolicy"] == "IfNotPresent"
        assert container["resources"]["limits"]["memory"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert services[name]["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    (api,) = by_kind["APIService"].values()
    adapter = api["spec"]["service"]["name"]
    assert adapter in services
    (operator,) = by_kind["Deployment"]["keda-operator"]["spec"]["template"]["spec"]["containers"]
    assert f"--metrics-server-service-name={adapter}" in operator["args"]


def test_a_value_that_the_local_chart_does_not_know_is_refused(
    helmfile: Helmfile, keda: BuiltImages, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("watchNamespace: dev\n", "utf-8")
    words = ("--file", FILE, "--environment", "local", "--selector", "service=keda", "template", "--values", wrong)
    assert "watchNamespace" in helmfile(*words, ok=(1,)).stderr


def test_preparing_again_leaves_everything_as_it_is(operator: BuiltImages, root: Path) -> None:
    folder = root / ".mldeploy" / "published"
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert prepare(root, ["external-secrets"], Quiet()) == (operator,)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_the_store_s_account_may_read_named_secrets_alone(helmfile: Helmfile, operator: BuiltImages) -> None:
    documents = rendered(helmfile, "--selector", "service=secret-store")
    (role,) = [document for document in documents if document["kind"] == "Role"]
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["dev-ml-api", "dev-ml-batch"], "verbs": ["get"]}
    ]
    assert not [document for document in documents if document["kind"].startswith("Cluster")]
    (store,) = [document for document in documents if document["kind"] == "SecretStore"]
    assert store["spec"]["provider"]["kubernetes"]["remoteNamespace"] == role["metadata"]["namespace"] == "secrets-dev"


@pytest.mark.parametrize(
    ("environment", "server", "trusted"),
    [
        ("default", "https://vault.example.com:8200", None),
        ("local", f"https://{HOST}:8200", {"type": "ConfigMap", "name": CA_CONFIG_MAP, "key": CA_KEY}),
    ],
)
def test_staging_s_vault_is_the_cluster_s_own_where_nothing_else_is_reached(
    environment: str, server: str, trusted: dict[str, str] | None, helmfile: Helmfile
) -> None:
    words = ("--file", FILE.with_name("stores.yaml"), "--environment", environment, "--selector", "environment=staging")
    text = helmfile(*words, "--state-values-set", "staging.enabled=true", "template").stdout
    (store,) = [one for one in yaml.safe_load_all(text) if one and one["kind"] == "SecretStore"]
    vault = store["spec"]["provider"]["vault"]
    assert (vault["server"], vault.get("caProvider")) == (server, trusted)


@pytest.mark.parametrize(
    "values",
    [
        "kubernetes: {secrets: []}\n",
        "kubernetes: {namespace: ''}\n",
        "kubernetes: {namespaces: x}\n",
        "kubernetes: null\n",
        "aws: {region: eu-central-1, roleArn: 'arn:aws:iam::123456789012:role/x'}\n",
    ],
)
def test_a_store_that_is_not_whole_or_has_two_providers_is_refused(
    values: str, helmfile: Helmfile, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(values, "utf-8")
    done = helmfile("--file", FILE, "--selector", "service=secret-store", "template", "--values", wrong, ok=(1,))
    assert "values don't meet the specifications of the schema" in done.stderr


def test_local_unprepared_names_the_missing_files(helmfile: Helmfile, root: Path, tmp_path: Path) -> None:
    for name in ("deployments", "scripts"):
        (tmp_path / name).symlink_to(root / name)
    process.run(["cp", "-r", root / "deployments" / "published", tmp_path / "published"], timeout_s=20)
    file = tmp_path / "published" / "helmfile.yaml"
    said = helmfile("--file", file, "--environment", "local", "template", ok=(1,)).stderr
    assert ".mldeploy/published/*/values.yaml" in said
