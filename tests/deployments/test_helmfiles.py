"""Which releases helmfile finds and renders, from which file and for which environment."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from syrupy.assertion import SnapshotAssertion

from mldeploy import process
from mldeploy.image import reference

ENVIRONMENTS = ("dev", "staging", "prod")
SERVICES = ("ml-api", "ml-batch")
Helmfile = Callable[..., process.Completed]


def listed(helmfile: Helmfile, *arguments: str | Path, **options: Any) -> list[dict[str, Any]]:
    return list(json.loads(helmfile(*arguments, "list", "--output", "json", **options).stdout))


def rendered(helmfile: Helmfile, *arguments: str | Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(helmfile(*arguments, "template").stdout) if document]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("service", SERVICES)
def test_what_is_deployed(environment: str, service: str, helmfile: Helmfile, snapshot: SnapshotAssertion) -> None:
    documents = rendered(helmfile, "--environment", environment, "--selector", f"service={service}")
    # The tags follow service/, so they are checked by themselves below.
    text = yaml.safe_dump_all(documents, sort_keys=False)
    for image in ("ml-service", "redis"):
        text = text.replace(reference(Path(__file__).parents[2], image), f"localhost/mldeploy/{image}:(tag)")
    assert text == snapshot


def test_without_an_environment_only_dev_is_meant(helmfile: Helmfile) -> None:
    assert {release["namespace"] for release in listed(helmfile)} == {"dev"}
    assert {document["metadata"]["namespace"] for document in rendered(helmfile)} == {"dev"}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_way_to_name_an_environment_gives_the_same(
    environment: str, helmfile: Helmfile, root: Path, tmp_path: Path
) -> None:
    file = root / "deployments" / environment / "helmfile.yaml"
    reference_text = helmfile("--environment", environment, "template").stdout
    assert helmfile("--file", file, "template").stdout == reference_text
    assert helmfile("--file", file, "--environment", environment, "template").stdout == reference_text
    assert helmfile("--file", file, "template", cwd=tmp_path).stdout == reference_text
    elsewhere = helmfile("--file", root / "helmfile.yaml", "--environment", environment, "template", cwd=tmp_path)
    assert elsewhere.stdout == reference_text


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_releases_have_the_names_and_labels_that_others_rely_on(environment: str, helmfile: Helmfile) -> None:
    releases = {release["name"]: release for release in listed(helmfile, "--environment", environment)}
    assert set(releases) == {f"{environment}-{service}" for service in SERVICES}
    for service, tier in zip(SERVICES, ("online", "batch"), strict=True):
        release = releases[f"{environment}-{service}"]
        labels = dict(pair.split(":", 1) for pair in release["labels"].split(","))
        assert release["namespace"] == environment
        assert (labels["service"], labels["environment"], labels["tier"]) == (service, environment, tier)


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("service=ml-api", ["dev-ml-api"]),
        ("tier=batch", ["dev-ml-batch"]),
        ("environment=dev", ["dev-ml-api", "dev-ml-batch"]),
    ],
)
def test_selectors(selector: str, names: list[str], helmfile: Helmfile) -> None:
    assert [release["name"] for release in listed(helmfile, "--selector", selector)] == names


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(("--environment", "qa"), "environment(qa)"), (("--selector", "service=nope"), "selector(service=nope)")],
)
def test_nothing_found_is_an_error(arguments: tuple[str, ...], named: str, helmfile: Helmfile) -> None:
    done = helmfile(*arguments, "template", ok=(3,))
    assert "no releases found that matches specified" in done.stderr
    assert named in done.stderr


def test_an_environment_s_own_file_knows_no_other_environment(helmfile: Helmfile, root: Path) -> None:
    file = root / "deployments" / "dev" / "helmfile.yaml"
    assert "environment(prod)" in helmfile("--file", file, "--environment", "prod", "template", ok=(3,)).stderr


def test_later_layers_win(helmfile: Helmfile, tmp_path: Path) -> None:
    """The chart says cpu 100m and 2 to 10 replicas; prod's file for the service says 3, dev's 50m and 1 to 4."""

    def values(environment: str) -> dict[str, Any]:
        target = tmp_path / "{{ .Release.Name }}.yaml"
        helmfile("--environment", environment, "write-values", "--output-file-template", target)
        return dict(yaml.safe_load((tmp_path / f"{environment}-ml-api.yaml").read_text("utf-8")))

    dev, prod = values("dev"), values("prod")
    assert dev["config"]["logLevel"] == "debug"  # values/dev/values.yaml
    assert dev["resources"]["requests"]["cpu"] == "50m"  # values/dev/ml-api.yaml
    assert prod["autoscaling"]["minReplicas"] == 3
    for found in (dev, prod):
        assert found["image"]["tag"]


def test_service_layer_lies_over_environment_layer(helmfile: Helmfile, root: Path) -> None:
    release = yaml.safe_load(helmfile("--environment", "prod", "build").stdout)["releases"][0]
    assert [Path(path).name for path in release["values"]] == ["values.yaml", "ml-api.yaml"]
    assert all(Path(path).parent.name == "prod" for path in release["values"])


def test_dev_runs_the_service_of_this_checkout(helmfile: Helmfile, root: Path) -> None:
    images = {
        container["image"]
        for document in rendered(helmfile)
        if document["kind"] == "Deployment"
        for container in document["spec"]["template"]["spec"]["containers"]
    }
    remedy = "run mldeploy image pin dev; for redis set queue.bundled.image.tag in charts/ml-batch/values.yaml"
    assert images == {reference(root, "ml-service"), reference(root, "redis")}, remedy


def test_three_environments_fit_on_one_small_node(helmfile: Helmfile) -> None:
    """2 CPUs, of which the cluster itself asks for 0.5: each Deployment at its smallest, one pod more for a rollout."""
    asked = 0
    for environment in ENVIRONMENTS:
        documents = rendered(helmfile, "--environment", environment)
        smallest = {
            document["metadata"]["name"]: document["spec"]["minReplicas"]
            for document in documents
            if document["kind"] == "HorizontalPodAutoscaler"
        }
        for document in documents:
            if document["kind"] == "Deployment":
                cpu = document["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"]
                pods = smallest.get(document["metadata"]["name"], 1) + 1
                asked += pods * int(cpu.removesuffix("m"))
    assert 0 < asked <= 1500


def test_write_and_read_commands_need_no_cluster(helmfile: Helmfile) -> None:
    for command in ("template", "lint", "build", "list"):
        helmfile(command)
