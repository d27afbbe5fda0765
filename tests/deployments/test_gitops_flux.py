"""gitops/flux says the same as the helmfiles, in names, paths, values and rights; the API's own schemas take it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from mldeploy import process
from mldeploy.check.conform import conform
from mldeploy.check.crds import FOLDER as CRDS
from mldeploy.check.crds import sources, stored
from mldeploy.check.judge import judge
from mldeploy.check.openapi import minors
from mldeploy.check.problem import Problem
from mldeploy.check.schemas import api_schemas, crd_schemas
from mldeploy.gitops.flux import BRANCH, CONTROLLERS, installation
from mldeploy.gitops.hydrate import STORE
from mldeploy.gitops.kustomization import build
from mldeploy.render import Release, environments, list_releases, render
from mldeploy.toolchain import tool
from mldeploy.toolchain.pins import load

ROOT = Path(__file__).parents[2]
FLUX = ROOT / "gitops" / "flux"
ENVIRONMENTS = ("dev", "staging", "prod")
REFERENCES = {name: f"localhost/mldeploy/{name}:0" for name in CONTROLLERS}


def built(folder: Path) -> list[dict[str, Any]]:
    printed = process.run([tool("kustomize"), "build", folder], timeout_s=60).stdout
    return [each for each in yaml.safe_load_all(printed) if each]


def of_kind(objects: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in objects if each["kind"] == kind}


@pytest.fixture(scope="module")
def releases() -> dict[str, list[Release]]:
    return {listing.environment: list(listing.releases) for listing in list_releases(ROOT, environments(ROOT))}


def test_there_is_a_folder_for_each_environment(releases: dict[str, list[Release]]) -> None:
    assert set(releases) == set(ENVIRONMENTS)
    for folder in ("environments", "sources/rendered", "sources/chart"):
        assert {path.name for path in (FLUX / folder).iterdir()} == {*ENVIRONMENTS, "base"}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_kustomization_for_each_release(environment: str, releases: dict[str, list[Release]]) -> None:
    objects = built(FLUX / "sources" / "rendered" / environment)
    (repository,) = of_kind(objects, "GitRepository").values()
    assert repository["spec"]["ref"] == {"branch": BRANCH}
    found = of_kind(objects, "Kustomization")
    assert set(found) == {f"{environment}-{STORE}", *(each.name for each in releases[environment])}
    for release in releases[environment]:
        one = found[release.name]
        labels = {name: release.labels[name] for name in ("environment", "service", "tier")}
        assert one["metadata"] == {"name": release.name, "namespace": "flux-system", "labels": labels}
        assert one["spec"]["path"] == f"./{environment}/{release.service}"
        assert one["spec"]["targetNamespace"] == release.namespace
        assert one["spec"]["serviceAccountName"] == environment
        assert one["spec"]["sourceRef"] == {"kind": "GitRepository", "name": repository["metadata"]["name"]}
        assert (one["spec"]["prune"], one["spec"]["wait"], one["spec"]["force"]) == (True, True, False)
        assert one["spec"]["dependsOn"] == [{"name": f"{environment}-{STORE}"}]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_store_that_is_waited_for_is_the_one_that_the_services_name(
    environment: str, releases: dict[str, list[Release]]
) -> None:
    one = of_kind(built(FLUX / "sources" / "rendered" / environment), "Kustomization")[f"{environment}-{STORE}"]
    (waited,) = one["spec"]["healthChecks"]
    named = [
        (each.data["spec"]["secretStoreRef"], rendered.release.namespace)
        for rendered in render(ROOT, releases[environment], objects=True)
        for each in rendered.objects
        if each.data["kind"] == "ExternalSecret"
    ]
    assert named
    for store, namespace in named:
        assert (store["kind"], store["name"], namespace) == (waited["kind"], waited["name"], waited["namespace"])
    # With `wait`, Flux would look at what it applied, which is nothing, and not at the store.
    assert not {"dependsOn", "wait"} & one["spec"].keys()
    assert (one["spec"]["path"], one["spec"]["serviceAccountName"]) == (f"./{environment}/{STORE}", environment)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_helm_release_for_each_release(environment: str, releases: dict[str, list[Release]]) -> None:
    found = of_kind(built(FLUX / "sources" / "chart" / environment), "HelmRelease")
    assert {each["spec"]["releaseName"] for each in found.values()} == {each.name for each in releases[environment]}
    for release in releases[environment]:
        spec = found[release.name]["spec"]
        chart = spec["chart"]["spec"]
        assert release.chart_path is not None
        assert (ROOT / chart["chart"]).resolve() == release.chart_path.resolve()
        files = [(ROOT / path).resolve() for path in chart["valuesFiles"]]
        wanted = [release.chart_path / "values.yaml", *release.values_files]
        assert files == [path.resolve() for path in wanted]
        assert spec["targetNamespace"] == spec["storageNamespace"] == release.namespace
        assert spec["serviceAccountName"] == environment


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_account_may_write_what_is_rendered_and_nothing_else(
    environment: str, releases: dict[str, list[Release]]
) -> None:
    objects = built(FLUX / "environments" / environment)
    roles = of_kind(objects, "Role")
    assert roles["flux"]["metadata"]["namespace"] == environment
    (rule,) = roles[environment]["rules"]
    assert (rule["verbs"], rule["resourceNames"]) == (["impersonate"], [environment])
    written = {
        (group, resource)
        for each in roles["flux"]["rules"]
        if "patch" in each["verbs"]
        for group in each["apiGroups"]
        for resource in each["resources"]
    }
    rendered = {
        (each.data["apiVersion"].rpartition("/")[0], plural(each.data["kind"]))
        for one in render(ROOT, releases[environment], objects=True)
        for each in one.objects
        if each.data["kind"] != "Pod"  # Helm's tests, which are not published
    }
    assert rendered <= written
    assert not written & {("", "secrets"), ("", "pods"), ("rbac.authorization.k8s.io", "roles")}


def test_both_agents_may_do_the_same() -> None:
    roles = [of_kind(built(ROOT / "gitops" / agent / "environments" / "dev"), "Role") for agent in ("argocd", "flux")]
    assert roles[0]["argocd-application-controller"]["rules"] == roles[1]["flux"]["rules"]


def plural(kind: str) -> str:
    lower = kind.lower()
    return f"{lower[:-1]}ies" if lower.endswith("y") else f"{lower}s"


def test_the_published_release_is_the_pinned_one() -> None:
    resources = yaml.safe_load((FLUX / "published" / "kustomization.yaml").read_text("utf-8"))["resources"]
    kept = {each.module: each.version for each in sources(ROOT / CRDS)}
    pins = load()
    assert resources == [
        f"https://github.com/fluxcd/{name}//config/{part}?ref={pins.pin(name).version}"
        for name in CONTROLLERS
        for part in ("crd", "manager")
    ]
    assert all(kept[f"github.com/fluxcd/{name}"] == pins.pin(name).version for name in CONTROLLERS)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    checkout = tmp_path_factory.mktemp("checkout")
    (checkout / "gitops").symlink_to(ROOT / "gitops")
    return [each for each in yaml.safe_load_all(build(checkout, "flux", installation(checkout, REFERENCES))) if each]


def test_the_controllers_are_as_we_run_them(installed: list[dict[str, Any]]) -> None:
    deployments = of_kind(installed, "Deployment")
    assert set(deployments) == set(CONTROLLERS)
    for name, each in deployments.items():
        pod = each["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert (pod["serviceAccountName"], container["image"]) == (name, REFERENCES[name])
        assert "--watch-all-namespaces=false" in container["args"]
        assert not any(argument.startswith("--watch-all-namespaces") for argument in container["args"][1:])
    assert not {"ClusterRole", "ClusterRoleBinding"} & {each["kind"] for each in installed}
    namespaced = [each for each in installed if each["kind"] not in {"CustomResourceDefinition", "Namespace"}]
    assert {each["metadata"]["namespace"] for each in namespaced} == {"flux-system"}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("folder", ["environments", "sources/rendered", "sources/chart"])
def test_the_api_s_schemas_take_it(folder: str, environment: str) -> None:
    assert problems(built(FLUX / folder / environment)) == []


def test_a_key_that_flux_does_not_know_is_found() -> None:
    objects = built(FLUX / "sources" / "chart" / "dev")
    of_kind(objects, "HelmRelease")["dev-ml-api"]["spec"]["prune"] = True
    assert len(problems(objects)) == 1


def problems(objects: list[dict[str, Any]]) -> list[Problem]:
    """Give what the schemas of Kubernetes and of what others publish say of objects."""
    crds = [each for path in stored(ROOT / CRDS) for each in yaml.load_all(path.read_text("utf-8"), yaml.CSafeLoader)]
    found = conform(objects, [api_schemas(minors()[-1]), crd_schemas(crds)])
    return [problem for each in found for problem in each]


def test_what_is_installed_is_good(installed: list[dict[str, Any]]) -> None:
    crds = [each for each in installed if each["kind"] == "CustomResourceDefinition"]
    assert "kustomizations.kustomize.toolkit.fluxcd.io" in {each["metadata"]["name"] for each in crds}
    objects = [each for each in installed if each not in crds]
    assert problems(objects) == []
    assert [problem for each in judge(objects, [], minors()[-1]) for problem in each] == []
