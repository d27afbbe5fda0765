"""ServiceMonitor, rules and dashboard: left out where they must be, and about metrics that the service has."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ml_service import metrics
from mldeploy import process

CHARTS = Path(__file__).parents[2] / "charts"
MONITORED = ("ServiceMonitor", "PrometheusRule")
Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]
One = Callable[..., Manifest]

each_chart = pytest.mark.parametrize("chart", ["ml-api", "ml-batch"])


def values(chart: str) -> Path:
    return CHARTS / chart / "ci" / "monitoring-values.yaml"


def expressions(found: list[Manifest], one: One) -> list[str]:
    """Give what the rules and the dashboard ask Prometheus."""
    rules = [rule["expr"] for group in one(found, "PrometheusRule")["spec"]["groups"] for rule in group["rules"]]
    panels = [target["expr"] for panel in board(found, one)["panels"] for target in panel["targets"]]
    assert rules
    assert panels
    return [*rules, *panels]


def board(found: list[Manifest], one: One) -> dict[str, Any]:
    (text,) = one(found, "ConfigMap", name=dashboard_name(found))["data"].values()
    return dict(json.loads(text))


def dashboard_name(found: list[Manifest]) -> str:
    return next(str(m["metadata"]["name"]) for m in found if m["metadata"]["name"].endswith("-dashboard"))


@each_chart
def test_nothing_unless_it_is_asked_for(chart: str, manifests: Render) -> None:
    found = manifests(chart)
    assert not [m for m in found if m["kind"] in MONITORED or m["metadata"]["name"].endswith("-dashboard")]


@each_chart
def test_without_the_operator_its_kinds_are_left_out_and_the_notes_say_so(
    chart: str, helm: Callable[..., process.Completed]
) -> None:
    words = ("a", f"charts/{chart}", "--values", values(chart))
    kinds = [m["kind"] for m in yaml.safe_load_all(helm("template", *words).stdout) if m]
    assert not set(kinds) & set(MONITORED)
    assert kinds.count("ConfigMap") == 2  # the dashboard needs no kind of its own
    shown = helm("install", *words, "--dry-run=client", "--kubeconfig", "/dev/null").stdout
    assert "NOT MONITORED: the cluster has no monitoring.coreos.com/v1" in shown


@each_chart
def test_the_monitor_scrapes_the_one_service_of_its_pods(chart: str, manifests: Render, one: One) -> None:
    found = manifests(chart, values(chart))
    monitor = one(found, "ServiceMonitor")
    assert monitor["metadata"]["labels"]["release"] == "kube-prometheus-stack"
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    (service,) = [m for m in found if m["kind"] == "Service" and wanted <= m["metadata"]["labels"].items()]
    # The operator names a series' service after it, and the rules go by that.
    assert service["metadata"]["name"] == f"test-{chart}"
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}


@each_chart
def test_only_metrics_that_the_service_has_are_asked_for(chart: str, manifests: Render, one: One) -> None:
    kinds = {"ml-api": metrics.ApiMetrics, "ml-batch": metrics.WorkerMetrics}
    known = {
        f"{family.name}{suffix}"
        for family in kinds[chart]().registry.collect()
        for suffix in ("", "_total", "_bucket", "_count", "_sum")
    }
    found = manifests(chart, values(chart))
    asked = {name for text in expressions(found, one) for name in re.findall(r"(?<![:\w])(?:ml|process)_\w+", text)}
    assert asked
    assert asked <= known, asked - known
    groups = one(found, "PrometheusRule")["spec"]["groups"]
    recorded = {rule["record"] for group in groups for rule in group["rules"] if "record" in rule}
    used = {name for text in expressions(found, one) for name in re.findall(r"service:[\w:]+", text)}
    assert used
    assert used <= recorded, used - recorded


def test_in_time_is_a_bound_that_the_service_counts_by(manifests: Render, one: One) -> None:
    schema = json.loads((CHARTS / "ml-api" / "values.schema.json").read_text("utf-8"))
    rules = schema["properties"]["monitoring"]["properties"]["rules"]["properties"]
    allowed = rules["latency"]["properties"]["thresholdSeconds"]["enum"]
    observed = metrics.ApiMetrics()
    observed.duration.labels("/v1/predict").observe(0)
    (family,) = [each for each in observed.registry.collect() if each.name == "ml_request_duration_seconds"]
    bounds = {sample.labels["le"] for sample in family.samples if "le" in sample.labels} - {"+Inf"}
    assert {float(bound) for bound in bounds} == set(allowed)
    for threshold in allowed:
        found = manifests("ml-api", values("ml-api"), **{"monitoring.rules.latency.thresholdSeconds": threshold})
        text = json.dumps(one(found, "PrometheusRule"))
        (used,) = set(re.findall(r'le=\\"([^"\\]+)', text))
        assert used in bounds


@each_chart
def test_a_dashboard_is_its_release_s_own(chart: str, manifests: Render, one: One) -> None:
    found = manifests(chart, values(chart))
    labels = one(found, "ConfigMap", name=dashboard_name(found))["metadata"]["labels"]
    assert labels["grafana_dashboard"] == "1"
    made = board(found, one)
    source = json.loads((CHARTS / chart / "dashboard.json").read_text("utf-8"))
    assert made["panels"] == source["panels"]
    variables = {each["name"]: each["query"] for each in made["templating"]["list"]}
    assert (variables["namespace"], variables["service"]) == ("test", f"test-{chart}")
    assert made["uid"] != source["uid"]
    assert len(made["uid"]) == 40
    identities = [panel["id"] for panel in made["panels"]]
    assert len(set(identities)) == len(identities)


def test_workers_that_keda_starts_may_be_none_and_have_another_hpa(manifests: Render, one: One) -> None:
    def alerts(**more: Any) -> dict[str, str]:
        scaled = {"autoscaling.enabled": False, "keda.enabled": True, **more}
        groups = one(manifests("ml-batch", values("ml-batch"), **scaled), "PrometheusRule")["spec"]["groups"]
        return {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"] if "alert" in rule}

    assert "MlBatchDown" not in alerts()
    found = alerts(**{"keda.minReplicas": 1})
    assert "MlBatchDown" in found
    assert 'horizontalpodautoscaler="keda-hpa-test-ml-batch"' in found["MlBatchAtMaximum"]
