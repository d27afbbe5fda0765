"""What the charts render: a snapshot for each fixture, and what must hold in every one of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from mldeploy.process import ProcessError

CHARTS = Path(__file__).parents[2] / "charts"
FIXTURES = sorted(CHARTS.glob("*/ci/*-values.yaml"))
SELECTOR = {"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"}
Manifest = dict[str, Any]

each_fixture = pytest.mark.parametrize(
    "fixture", FIXTURES, ids=lambda path: f"{path.parents[1].name}-{path.name.removesuffix('-values.yaml')}"
)


def pods(manifests: list[Manifest]) -> Iterator[tuple[Manifest, Manifest]]:
    """Yield (metadata, spec) of every pod that the manifests lead to."""
    for manifest in manifests:
        match manifest["kind"]:
            case "Deployment":
                template = manifest["spec"]["template"]
            case "CronJob":
                template = manifest["spec"]["jobTemplate"]["spec"]["template"]
            case "Pod":
                template = manifest
            case _:
                continue
        yield template["metadata"], template["spec"]


def test_both_charts_have_fixtures() -> None:
    assert {path.parents[1].name for path in FIXTURES} == {"ml-api", "ml-batch"}


@each_fixture
def test_fixture(fixture: Path, template: Callable[..., str], snapshot: SnapshotAssertion) -> None:
    # The bundled queue's tag follows service/redis; tests/deployments holds it up to date.
    assert (
        re.sub(r"(localhost/mldeploy/redis):[0-9a-f]+", r"\1:(tag)", template(fixture.parents[1].name, fixture))
        == snapshot
    )


@each_fixture
def test_pods_meet_pod_security_restricted(fixture: Path, manifests: Callable[..., list[Manifest]]) -> None:
    found = list(pods(manifests(fixture.parents[1].name, fixture)))
    assert found
    for _, spec in found:
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            }
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize(
    ("given", "written"), [("10s", "10s"), ("90s", "1m30s"), ("15m", "15m0s"), ("1h", "1h0m0s"), ("1h30m5s", "1h30m5s")]
)
def test_an_interval_is_written_as_the_operator_writes_it(
    given: str, written: str, manifests: Callable[..., list[Manifest]], tmp_path: Path
) -> None:
    """Else the operator's own update makes the field the operator's, and the next upgrade is a conflict."""
    values = tmp_path / "values.yaml"
    values.write_text(f"externalSecret:\n  refreshInterval: {given}\n", "utf-8")
    found = manifests("ml-api", CHARTS / "ml-api" / "ci" / "external-secret-values.yaml", values)
    (secret,) = [one for one in found if one["kind"] == "ExternalSecret"]
    assert secret["spec"]["refreshInterval"] == written


@each_fixture
def test_selectors_hold_what_never_changes(fixture: Path, manifests: Callable[..., list[Manifest]]) -> None:
    found = manifests(fixture.parents[1].name, fixture)
    labels = [metadata["labels"] for metadata, _ in pods(found)]
    for manifest in found:
        spec = manifest.get("spec", {})
        selector = {
            "Deployment": lambda spec=spec: spec["selector"]["matchLabels"],
            "Service": lambda spec=spec: spec["selector"],
            "PodDisruptionBudget": lambda spec=spec: spec["selector"]["matchLabels"],
            "NetworkPolicy": lambda spec=spec: spec["podSelector"]["matchLabels"],
        }.get(manifest["kind"])
        if selector is None:
            continue
        chosen = selector()
        assert set(chosen) == SELECTOR, manifest["kind"]
        assert any(chosen.items() <= pod.items() for pod in labels), f"{manifest['kind']} selects no pod of the chart"


@each_fixture
def test_replicas_belong_to_what_scales_where_there_is_one(
    fixture: Path, manifests: Callable[..., list[Manifest]]
) -> None:
    found = manifests(fixture.parents[1].name, fixture)
    scalers = [m for m in found if m["kind"] in {"HorizontalPodAutoscaler", "ScaledObject"}]
    scaled = {m["spec"]["scaleTargetRef"]["name"] for m in scalers}
    assert len(scaled) == len(scalers), "two would fight over one Deployment"
    deployments = {m["metadata"]["name"]: m["spec"] for m in found if m["kind"] == "Deployment"}
    assert scaled <= deployments.keys()
    for name, spec in deployments.items():
        assert ("replicas" in spec) is (name not in scaled), name


@each_fixture
def test_no_secret_data_in_a_chart(fixture: Path, manifests: Callable[..., list[Manifest]]) -> None:
    assert "Secret" not in {m["kind"] for m in manifests(fixture.parents[1].name, fixture)}


@each_fixture
def test_every_object_says_whose_it_is(fixture: Path, manifests: Callable[..., list[Manifest]]) -> None:
    chart = fixture.parents[1].name
    for manifest in manifests(chart, fixture):
        metadata = manifest["metadata"]
        assert metadata["namespace"] == "test"
        assert metadata["name"].startswith(f"test-{chart}")
        assert metadata["labels"]["app.kubernetes.io/instance"] == f"test-{chart}"
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "Helm"


@each_fixture
def test_grace_period_covers_sleep_and_work(fixture: Path, manifests: Callable[..., list[Manifest]]) -> None:
    checked = 0
    found = manifests(fixture.parents[1].name, fixture)
    config = next(m["data"] for m in found if m["kind"] == "ConfigMap")
    for _, spec in pods(found):
        for container in spec["containers"]:
            if container["name"] in {"api", "worker"}:
                sleep = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
                work = int(config.get("ML_DRAIN_DELAY_S", 0)) + int(config["ML_DRAIN_TIMEOUT_S"])
                assert spec["terminationGracePeriodSeconds"] > sleep + work
                checked += 1
    assert checked == 1


def test_zero_survives(manifests: Callable[..., list[Manifest]], one: Callable[..., Manifest]) -> None:
    for chart in ("ml-api", "ml-batch"):
        found = manifests(chart, CHARTS / chart / "ci" / "fixed-replicas-values.yaml")
        assert one(found, "Deployment", name=f"test-{chart}")["spec"]["replicas"] == 0
    found = manifests("ml-api", CHARTS / "ml-api" / "ci" / "no-drain-values.yaml")
    spec = one(found, "Deployment")["spec"]["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] == 6
    assert "lifecycle" not in spec["containers"][0]
    assert spec["containers"][0]["startupProbe"]["initialDelaySeconds"] == 0
    data = one(found, "ConfigMap")["data"]
    assert data["ML_MAX_QUEUE"] == "0"
    assert data["ML_DRAIN_TIMEOUT_S"] == "0"
    batch = manifests("ml-batch", **{"autoscaling.behavior.scaleDown.stabilizationWindowSeconds": 0})
    assert one(batch, "HorizontalPodAutoscaler")["spec"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 0
    budget = manifests("ml-api", **{"podDisruptionBudget.minAvailable": 0, "podDisruptionBudget.maxUnavailable": None})
    assert one(budget, "PodDisruptionBudget")["spec"]["minAvailable"] == 0


def test_large_numbers_stay_numbers(manifests: Callable[..., list[Manifest]], one: Callable[..., Manifest]) -> None:
    found = manifests("ml-api", CHARTS / "ml-api" / "ci" / "large-numbers-values.yaml")
    data = one(found, "ConfigMap")["data"]
    assert (data["ML_MAX_BODY_BYTES"], data["ML_MAX_QUEUE"], data["ML_BODY_TIMEOUT_S"]) == (
        "1073741824",
        "100000",
        "0.5",
    )


@pytest.mark.parametrize("chart", ["ml-api", "ml-batch"])
def test_configuration_rolls_the_pods_and_nothing_else_does(
    chart: str, manifests: Callable[..., list[Manifest]], one: Callable[..., Manifest]
) -> None:
    def pod_template(**values: Any) -> Any:
        return one(manifests(chart, **values), "Deployment", name=f"test-{chart}")["spec"]["template"]

    before = pod_template()
    assert pod_template(**{"config.logLevel": "debug"}) != before
    assert pod_template(**{"autoscaling.maxReplicas": 5}) == before
    assert pod_template(**{"networkPolicy.enabled": False}) == before


@pytest.mark.parametrize("chart", ["ml-api", "ml-batch"])
def test_selector_is_stable(chart: str, manifests: Callable[..., list[Manifest]], one: Callable[..., Manifest]) -> None:
    def selector(**values: Any) -> Any:
        return one(manifests(chart, **values), "Deployment", name=f"test-{chart}")["spec"]["selector"]

    assert selector(podLabels={"team": "x"}, **{"image.tag": "other"}) == selector()


@pytest.mark.parametrize("probe", [{"periodSeconds": None}, {"failureThreshold": None}])
def test_probe_s_own_defaults_count_in_the_startup_budget(probe: dict[str, Any], template: Callable[..., str]) -> None:
    """Kubernetes says 10 s and 3 failures where a probe says nothing: 10 * 60 s is more than 120 s, 1 * 3 s is not."""
    values = {f"probes.startup.{key}": value for key, value in probe.items()}
    if "periodSeconds" in probe:
        with pytest.raises(ProcessError, match=r"start-up probe gives up \(600 s\)"):
            template("ml-api", **values)
    else:
        assert template("ml-api", **values)


def test_bundled_queue_is_where_workers_look(
    manifests: Callable[..., list[Manifest]], one: Callable[..., Manifest]
) -> None:
    found = manifests("ml-batch")
    service = one(found, "Service", name="test-ml-batch-redis")
    url = one(found, "ConfigMap")["data"]["ML_REDIS_URL"]
    assert url == f"redis://{service['metadata']['name']}:{service['spec']['ports'][0]['port']}/0"


@pytest.mark.parametrize(("fixture", "port"), [("external-queue", 6380), ("external-queue-default-port", 6379)])
def test_network_policy_opens_the_port_of_a_queue_elsewhere(
    fixture: str, port: int, manifests: Callable[..., list[Manifest]], one: Callable[..., Manifest]
) -> None:
    found = manifests("ml-batch", CHARTS / "ml-batch" / "ci" / f"{fixture}-values.yaml")
    egress = one(found, "NetworkPolicy")["spec"]["egress"]
    assert {"ports": [{"protocol": "TCP", "port": port}]} in egress
    assert not [m for m in found if m["metadata"]["name"].endswith("-redis")]


def test_secrets_are_mounted_where_the_service_looks(
    manifests: Callable[..., list[Manifest]], one: Callable[..., Manifest]
) -> None:
    for chart, variable in (("ml-api", "ML_API_KEYS_FILE"), ("ml-batch", "ML_REDIS_PASSWORD_FILE")):
        found = manifests(chart, CHARTS / chart / "ci" / "external-secret-values.yaml")
        spec = one(found, "Deployment")["spec"]["template"]["spec"]
        mount = spec["containers"][0]["volumeMounts"][0]["mountPath"]
        assert one(found, "ConfigMap")["data"][variable].startswith(mount)
        assert spec["volumes"][0]["secret"]["secretName"] == one(found, "ExternalSecret")["spec"]["target"]["name"]
