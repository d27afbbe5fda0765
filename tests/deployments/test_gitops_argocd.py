"""gitops/argocd says the same as deployments/base.yaml, and allows what is rendered and no more."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from mldeploy import process
from mldeploy.gitops.argocd import PARTS, installation
from mldeploy.render import Rendered, list_releases, render
from mldeploy.toolchain import tool
from mldeploy.toolchain.pins import load
from mldeploy.values.layers import Workspace

ROOT = Path(__file__).parents[2]
ARGOCD = ROOT / "gitops" / "argocd"
WORKSPACE = Workspace(ROOT)
ENVIRONMENTS = WORKSPACE.environments
SOURCES = ("chart", "rendered")
Manifest = dict[str, Any]


@cache
def built(folder: str) -> tuple[Manifest, ...]:
    done = process.run([tool("kustomize"), "build", ARGOCD / folder], timeout_s=60)
    return tuple(yaml.safe_load_all(done.stdout))


def one(folder: str, kind: str, name: str = "") -> Manifest:
    (found,) = [each for each in built(folder) if each["kind"] == kind and name in {"", each["metadata"]["name"]}]
    return found


def application(source: str, environment: str, service: dict[str, str]) -> Manifest:
    """Fill the ApplicationSet's template in as its generators do; it has no other expressions than names."""
    template = one(f"sources/{source}", "ApplicationSet")["spec"]["template"]
    known = {".values.environment": environment, ".name": "in-cluster", **{f".{k}": v for k, v in service.items()}}
    text = re.sub(r"\{\{ ([.\w]+) \}\}", lambda match: known[match[1]], json.dumps(template))
    assert "{{" not in text
    filled: Manifest = json.loads(text)
    return filled


def services() -> list[dict[str, str]]:
    (generator,) = one("sources/chart", "ApplicationSet")["spec"]["generators"]
    (listed,) = [each["list"] for each in generator["matrix"]["generators"] if "list" in each]
    found: list[dict[str, str]] = listed["elements"]
    return found


@cache
def rendered() -> tuple[Rendered, ...]:
    releases = [release for listing in list_releases(ROOT, ENVIRONMENTS) for release in listing.releases]
    found = tuple(render(ROOT, releases, objects=True))
    assert not [each.error for each in found if each.error]
    return found


def deployed(each: Rendered) -> list[Manifest]:
    """The objects of a release but for Helm's tests, which Argo CD does not run."""
    return [one.data for one in each.objects if "helm.sh/hook" not in one.data["metadata"].get("annotations", {})]


def group(manifest: Manifest) -> str:
    before, slash, _ = manifest["apiVersion"].partition("/")
    return before if slash else ""


def test_the_environments_are_those_of_helmfile() -> None:
    assert {path.name for path in (ARGOCD / "environments").iterdir()} - {"base"} == set(ENVIRONMENTS)
    (generator,) = one("sources/chart", "ApplicationSet")["spec"]["generators"]
    (clusters,) = [each["clusters"] for each in generator["matrix"]["generators"] if "clusters" in each]
    (expression,) = clusters["selector"]["matchExpressions"]
    assert tuple(expression["values"]) == ENVIRONMENTS
    project = one("sources/chart", "AppProject", "ml-services")["spec"]
    assert [each["namespace"] for each in project["destinations"]] == list(ENVIRONMENTS)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_applications_are_helmfile_s_releases(environment: str) -> None:
    releases = WORKSPACE.releases(environment)
    assert [each["service"] for each in services()] == [release.service for release in releases]
    for service, release in zip(services(), releases, strict=True):
        made = application("chart", environment, service)
        assert made["metadata"]["name"] == release.name
        assert made["metadata"]["labels"] == release.labels
        assert made["spec"]["destination"]["namespace"] == release.namespace
        source = made["spec"]["source"]
        assert source["helm"]["releaseName"] == release.name
        assert ROOT / source["path"] == release.chart
        assert [ROOT / path.removeprefix("/") for path in source["helm"]["valueFiles"]] == list(release.files)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_rendered_source_is_where_publish_writes(environment: str) -> None:
    for service in services():
        made = application("rendered", environment, service)
        assert made["spec"]["source"]["path"] == f"{environment}/{service['service']}"
        assert made["spec"]["source"]["targetRevision"] == "rendered"


def test_the_sources_differ_in_nothing_else() -> None:
    texts = []
    for source in SOURCES:
        found = yaml.safe_load_all(yaml.safe_dump_all(built(f"sources/{source}")))
        kept = [{**each, "spec": {**each["spec"]}} for each in found]
        for each in kept:
            if each["kind"] == "ApplicationSet":
                address = each["spec"]["template"]["spec"].pop("source")["repoURL"]
                assert [address] == one(f"sources/{source}", "AppProject", "ml-services")["spec"]["sourceRepos"]
        texts.append(kept)
    assert texts[0] == texts[1]


def test_every_rendered_kind_may_be_deployed_and_nothing_of_the_whole_cluster() -> None:
    project = one("sources/chart", "AppProject", "ml-services")["spec"]
    allowed = {(each["group"], each["kind"]) for each in project["namespaceResourceWhitelist"]}
    wanted = {(group(manifest), manifest["kind"]) for each in rendered() for manifest in deployed(each)}
    assert wanted
    assert wanted <= allowed
    assert project["clusterResourceWhitelist"] == []


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_controller_may_write_the_project_s_kinds_in_its_namespace_only(environment: str) -> None:
    folder = f"environments/{environment}"
    role = one(folder, "Role")
    project = one("sources/chart", "AppProject", "ml-services")["spec"]["namespaceResourceWhitelist"]
    written = {
        (api, resource)
        for rule in role["rules"]
        if "patch" in rule["verbs"]
        for api in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert written == {(each["group"], plural(each["kind"])) for each in project}
    assert not {each["kind"] for each in built(folder)} & {"ClusterRole", "ClusterRoleBinding"}
    assert {role["metadata"]["namespace"], one(folder, "Namespace")["metadata"]["name"]} == {environment}
    cluster = one(folder, "Secret")
    assert cluster["metadata"]["labels"]["mldeploy/environment"] == environment
    assert cluster["stringData"]["namespaces"] == environment


def plural(kind: str) -> str:
    lower = kind.lower()
    return f"{lower[:-1]}ies" if lower.endswith("y") else f"{lower}es" if lower.endswith("s") else f"{lower}s"


def test_replicas_are_ignored_where_an_hpa_sets_them_and_nowhere_else() -> None:
    for each in rendered():
        scaled = {
            manifest["spec"]["scaleTargetRef"]["name"]
            for manifest in deployed(each)
            if manifest["kind"] == "HorizontalPodAutoscaler"
        }
        (service,) = [found for found in services() if found["service"] == each.release.labels["service"]]
        ignored = application("chart", each.release.environment, service)["spec"]["ignoreDifferences"]
        assert {found["name"] for found in ignored if found["jsonPointers"] == ["/spec/replicas"]} == scaled


def test_prod_is_synced_in_its_windows() -> None:
    (window,) = one("sources/chart", "AppProject", "ml-services")["spec"]["syncWindows"]
    assert window["kind"] == "allow"
    assert window["applications"] == ["prod-*"]


def test_what_is_not_named_may_not_be_deployed() -> None:
    default = one("sources/chart", "AppProject", "default")["spec"]
    assert (default["sourceRepos"], default["destinations"]) == ([], [])


def test_the_published_release_is_the_pinned_one_with_the_same_parts() -> None:
    published = yaml.safe_load((ARGOCD / "published" / "kustomization.yaml").read_text("utf-8"))
    version = load().pin("argocd").version
    address = "https://github.com/argoproj/argo-cd/manifests"
    assert published["resources"] == [f"{address}/{part}?ref={version}" for part in PARTS]
    assert [image["newTag"] for image in published["images"]] == [version]


def test_the_installation_has_no_rights_beyond_its_namespace() -> None:
    kustomization = installation(ROOT, "localhost/mldeploy/argocd:a", "localhost/mldeploy/redis:b")
    assert kustomization["components"] == [str(ARGOCD / "install")]
    assert len(kustomization["resources"]) == len(PARTS)
    found = [
        path.name
        for resource in kustomization["resources"]
        for path in Path(resource).rglob("*.yaml")
        if re.search(r"^kind: ClusterRole", path.read_text("utf-8"), re.MULTILINE)
    ]
    assert found == []
