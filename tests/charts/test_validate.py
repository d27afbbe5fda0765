"""Contradictory values stop the render with the key, the reason and the remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mldeploy.process import ProcessError

CHARTS = Path(__file__).parents[2] / "charts"
ELSEWHERE = {"queue.url": "rediss://queue.example.com:6380/0", "queue.bundled.enabled": False}
SECRET = {"externalSecret.enabled": True, "externalSecret.storeRef.name": "store"}
ROUTE = {"edge.host": "ml-api.example.com", "edge.from": [{"podSelector": {}}]}
INGRESS = {**ROUTE, "edge.kind": "ingress"}
KEDA = {"autoscaling.enabled": False, "keda.enabled": True}
BUDGET = {"podDisruptionBudget.maxUnavailable": None}

# chart, values, what the message says
CASES: list[tuple[str, dict[str, Any], str]] = [
    ("ml-api", {"autoscaling.minReplicas": 11}, "autoscaling.minReplicas: 11 is above autoscaling.maxReplicas (10); "),
    ("ml-api", {"resources.requests.cpu": None}, "resources.requests.cpu: not set, and the HPA measures "),
    ("ml-api", {"podDisruptionBudget.minAvailable": 1}, "podDisruptionBudget: exactly one of minAvailable and "),
    ("ml-api", BUDGET, "podDisruptionBudget: exactly one of minAvailable and "),
    ("ml-api", {**BUDGET, "podDisruptionBudget.minAvailable": "100%"}, "minAvailable: 100% blocks every node drain; "),
    ("ml-api", {**BUDGET, "podDisruptionBudget.minAvailable": 2}, "minAvailable: 2 of at least 2 replicas blocks "),
    ("ml-api", {"podDisruptionBudget.maxUnavailable": 0}, "maxUnavailable: 0 blocks every node drain; "),
    ("ml-api", {"podDisruptionBudget.maxUnavailable": "0%"}, "maxUnavailable: 0 blocks every node drain; "),
    ("ml-api", {"externalSecret.enabled": True}, "externalSecret.storeRef.name: not set, and "),
    ("ml-api", SECRET, "externalSecret.data: empty, and "),
    (
        "ml-api",
        {"progressDeadlineSeconds": 60},
        "progressDeadlineSeconds: 60 is over before the start-up probe gives up (60 s); ",
    ),
    ("ml-api", {**INGRESS, "edge.host": ""}, "edge.host: empty, and edge.kind is ingress; "),
    ("ml-api", {**INGRESS, "edge.from": []}, "edge.from: empty, and edge.kind is ingress, so that the NetworkPolicy "),
    ("ml-api", {"edge.kind": "loadBalancer"}, "edge.loadBalancer.sourceRanges: empty, and edge.kind is loadBalancer; "),
    ("ml-api", INGRESS, "edge.ingress.tls.secretName: empty, and edge.ingress.annotations name no issuer "),
    ("ml-api", {**ROUTE, "edge.kind": "httpRoute"}, "edge.httpRoute.parentRefs: empty, and edge.kind is httpRoute; "),
    ("ml-api", {**ROUTE, "edge.kind": "virtualService"}, "edge.virtualService.gateways: empty, and edge.kind is virt"),
    (
        "ml-api",
        {
            "edge.kind": "loadBalancer",
            "edge.loadBalancer.sourceRanges": ["10.0.0.0/8"],
            "edge.ingress.className": "nginx",
        },
        "edge.ingress.className: set, and edge.kind is loadBalancer, which does not read it; take it away, or set ",
    ),
    (
        "ml-batch",
        {"tracing.to": [{"podSelector": {}}]},
        "tracing.to: set, and tracing.endpoint is empty, so that there ",
    ),
    (
        "ml-api",
        {"tracing.endpoint": "http://token@collector:4318"},
        "tracing.endpoint: has a user or a password in it, ",
    ),
    ("ml-batch", {**ELSEWHERE, "queue.url": "redis://:secret@host/0"}, "queue.url: has a user or a password in it, "),
    ("ml-api", {"monitoring.rules.enabled": True}, "monitoring.rules.enabled: true, and monitoring.serviceMonitor.ena"),
    (
        "ml-api",
        {"monitoring.rules.latency.objective": 90},
        "monitoring.rules.burnRates: 14.4 times as fast as monitoring.rules.latency.objective allows is more than ",
    ),
    ("ml-batch", {"queue.url": "redis://queue"}, "queue.url: set, and queue.bundled.enabled is true"),
    ("ml-batch", {"queue.bundled.enabled": False}, "queue.url: empty, and queue.bundled.enabled is false"),
    ("ml-batch", {**SECRET, **ELSEWHERE, "externalSecret.data": {"x": {"key": "k"}}}, "lacks redis-password"),
    (
        "ml-batch",
        {"keda.enabled": True},
        "autoscaling.enabled: keda.enabled is true, and KEDA makes an HPA of its own; ",
    ),
    ("ml-batch", {**KEDA, "cronJob.enabled": True}, "keda.enabled: cronJob.enabled is true, and a CronJob's workers "),
    ("ml-batch", {**KEDA, "keda.minReplicas": 11}, "keda.minReplicas: 11 is above keda.maxReplicas (10); "),
    ("ml-batch", {**KEDA, "keda.fallback.replicas": 11}, "keda.fallback.replicas: 11 is above keda.maxReplicas (10); "),
    ("ml-batch", {**KEDA, "keda.redisStreams.enabled": False}, "keda.triggers: empty, and keda.redisStreams.enabled "),
    ("ml-batch", {**KEDA, **BUDGET, "podDisruptionBudget.minAvailable": 1}, "minAvailable: 1 of at least 0 replicas "),
    ("ml-batch", {"cronJob.enabled": True}, "autoscaling.enabled: cronJob.enabled is true, and an HPA cannot scale "),
    (
        "ml-batch",
        {"cronJob.enabled": True, "autoscaling.enabled": False},
        "podDisruptionBudget.enabled: cronJob.enabled",
    ),
    (
        "ml-batch",
        {
            "cronJob.enabled": True,
            "autoscaling.enabled": False,
            "podDisruptionBudget.enabled": False,
            "monitoring.serviceMonitor.enabled": True,
        },
        "monitoring.serviceMonitor.enabled: cronJob.enabled is true, and its pods are gone before ",
    ),
]


@pytest.mark.parametrize(("chart", "values", "message"), CASES, ids=[message[:40] for _, _, message in CASES])
def test_contradiction(chart: str, values: dict[str, Any], message: str, template: Callable[..., str]) -> None:
    with pytest.raises(ProcessError) as caught:
        template(chart, **values)
    assert message in caught.value.stderr
    assert ";" in caught.value.stderr  # the remedy


def test_every_refusal_has_a_case() -> None:
    files = [*CHARTS.glob("*/templates/validate.yaml"), CHARTS / "ml-common" / "templates" / "_validate.tpl"]
    assert len(files) == 3
    refusals = sum(file.read_text("utf-8").count("{{- fail ") for file in files)
    # Four pairs of cases reach one refusal each: neither and both of the budget's keys, 0 and 0%, minAvailable twice,
    # and the URLs with a password.
    assert refusals == len(CASES) - 4


@pytest.mark.parametrize("chart", ["ml-api", "ml-batch"])
def test_fixed_replicas_need_no_cpu_request(chart: str, template: Callable[..., str]) -> None:
    assert template(chart, **{"autoscaling.enabled": False, "resources.requests.cpu": None})
