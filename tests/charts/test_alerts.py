"""Each alert fires when it must, and only then: promtool on the rendered rules, with their real windows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from mldeploy import process
from tests.fixtures.debian import program

CHARTS = Path(__file__).parents[2] / "charts"
Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]
One = Callable[..., Manifest]
Series = dict[str, str]

DAY = 24 * 60
API_UP = {'up{namespace="test", service="test-ml-api", pod="a"}': f"1x{DAY}"}
BATCH_UP = {'up{namespace="test", service="test-ml-batch", pod="a"}': f"1x{DAY}"}
BURN = '{alertname="%s", namespace="test", service="%s", severity="%s", window="%s"}'


def requests(*stretches: tuple[int, float]) -> Series:
    """Ten predictions a second, in stretches of (minutes, share that fails)."""
    labels = 'namespace="test", service="test-ml-api", pod="a", method="POST", path="/v1/predict"'
    good = counter([(minutes, 600 * (1 - share)) for minutes, share in stretches])
    bad = counter([(minutes, 600 * share) for minutes, share in stretches])
    return {
        **API_UP,
        f'ml_requests_total{{{labels}, status="200"}}': good,
        f'ml_requests_total{{{labels}, status="503"}}': bad,
    }


def answers(*stretches: tuple[int, float]) -> Series:
    """Ten predictions a second, in stretches of (minutes, share that takes more than 0.1 s)."""
    labels = 'namespace="test", service="test-ml-api", pod="a", path="/v1/predict"'
    fast = counter([(minutes, 600 * (1 - share)) for minutes, share in stretches])
    name = "ml_request_duration_seconds"
    whole = counter([(minutes, 600) for minutes, _ in stretches])
    return {**API_UP, f'{name}_bucket{{{labels}, le="0.1"}}': fast, f"{name}_count{{{labels}}}": whole}


def jobs(*stretches: tuple[int, float]) -> Series:
    """Ten attempts at jobs a second, in stretches of (minutes, share that raises an error)."""
    labels = 'namespace="test", service="test-ml-batch", pod="a"'
    done = counter([(minutes, 600 * (1 - share)) for minutes, share in stretches])
    retried = counter([(minutes, 600 * share) for minutes, share in stretches])
    return {
        **BATCH_UP,
        f'ml_jobs_total{{{labels}, outcome="done"}}': done,
        f'ml_jobs_total{{{labels}, outcome="retried"}}': retried,
    }


def counter(stretches: list[tuple[int, float]]) -> str:
    """Write a counter as promtool reads it; `each` is its rise in a minute."""
    step = step_of(sum(minutes for minutes, _ in stretches))
    total, parts = 0.0, []
    for minutes, each in stretches:
        parts.append(f"{total:g}+{each * step:g}x{minutes // step - 1}")
        total += each * minutes
    return " ".join(parts)


def step_of(minutes: int) -> int:
    """Give the minutes between samples and between evaluations: promtool needs long for days of single minutes."""
    return 1 if minutes <= 120 else 2 if minutes <= DAY else 10


def replicas(service: str, *counts: str) -> Series:
    labels = f'namespace="test", horizontalpodautoscaler="test-{service}"'
    most = {f"kube_horizontalpodautoscaler_spec_max_replicas{{{labels}}}": f"10x{DAY}"}
    return most | {f"kube_horizontalpodautoscaler_status_current_replicas{{{labels}}}": " ".join(counts)}


def gauge(name: str, *values: str, pod: str = "a") -> Series:
    return {f'{name}{{namespace="test", service="test-ml-batch", pod="{pod}"}}': " ".join(values)}


@dataclass(frozen=True)
class Case:
    """What Prometheus sees, and the alerts (name, severity, window) that fire at a minute."""

    chart: str
    series: Series
    minute: int
    fires: tuple[tuple[str, ...], ...] = ()


FIRING = 'count by (alertname, severity, window) (ALERTS{alertstate="firing", namespace="test"})'
ERRORS, SLOW, ATTEMPTS = "MlApiErrorBudgetBurn", "MlApiLatencyBudgetBurn", "MlBatchErrorBudgetBurn"
CASES = {
    "no requests": Case("ml-api", API_UP, DAY),
    "a few failures": Case("ml-api", requests((3 * DAY, 0.0005)), 3 * DAY - 10),
    "a fifth fails for ten minutes": Case("ml-api", requests((720, 0), (10, 0.2)), 728, ((ERRORS, "critical", "1h"),)),
    "a fifth fails for a minute": Case("ml-api", requests((720, 0), (2, 0.2), (8, 0)), 728),
    "a fifth failed, and it is over": Case("ml-api", requests((720, 0), (10, 0.2), (8, 0)), 736),
    "all fail at once": Case("ml-api", requests((720, 0), (6, 1)), 724, ((ERRORS, "critical", "1h"),)),
    "1 % fails for hours": Case("ml-api", requests((DAY, 0), (5 * 60, 0.01)), DAY + 290, ((ERRORS, "critical", "6h"),)),
    "0.4 % fails for a day": Case(
        "ml-api",
        requests((2 * DAY, 0.0004), (DAY, 0.004)),
        3 * DAY - 10,
        ((ERRORS, "warning", "1d"), (ERRORS, "warning", "3d")),
    ),
    "0.2 % fails for days": Case("ml-api", requests((3 * DAY, 0.002)), 3 * DAY - 10, ((ERRORS, "warning", "3d"),)),
    "a few slow answers": Case("ml-api", answers((3 * DAY, 0.005)), 3 * DAY - 10),
    "a third is slow for an hour": Case("ml-api", answers((720, 0), (50, 0.3)), 768, ((SLOW, "critical", "1h"),)),
    "a third was slow, and it is over": Case("ml-api", answers((720, 0), (50, 0.3), (8, 0)), 776),
    "a fiftieth is slow for days": Case("ml-api", answers((3 * DAY, 0.02)), 3 * DAY - 10, ((SLOW, "warning", "3d"),)),
    "no pod is scraped": Case("ml-api", {}, 6, (("MlApiDown", "critical"),)),
    "no pod is scraped yet": Case("ml-api", {}, 4),
    "one pod of two is down": Case(
        "ml-api", {**API_UP, 'up{namespace="test", service="test-ml-api", pod="b"}': "0x60"}, 59
    ),
    "every pod is down": Case(
        "ml-api", {'up{namespace="test", service="test-ml-api", pod="b"}': "1x9 0x60"}, 30, (("MlApiDown", "critical"),)
    ),
    "another service is up": Case(
        "ml-api", {'up{namespace="prod", service="prod-ml-api", pod="b"}': "1x60"}, 30, (("MlApiDown", "critical"),)
    ),
    "as many pods as there may be": Case(
        "ml-api", {**API_UP, **replicas("ml-api", "4x9", "10x30")}, 26, (("MlApiAtMaximum", "warning"),)
    ),
    "as many pods as there may be, for a while": Case(
        "ml-api", {**API_UP, **replicas("ml-api", "4x9", "10x10", "9x20")}, 26
    ),
    "no worker is scraped": Case("ml-batch", {}, 6, (("MlBatchDown", "critical"),)),
    "as many workers as there may be": Case(
        "ml-batch", {**BATCH_UP, **replicas("ml-batch", "10x30")}, 16, (("MlBatchAtMaximum", "warning"),)
    ),
    "jobs wait": Case(
        "ml-batch", {**BATCH_UP, **gauge("ml_queue_oldest_seconds", "0+60x30")}, 12, (("MlBatchQueueLag", "critical"),)
    ),
    "jobs waited": Case("ml-batch", {**BATCH_UP, **gauge("ml_queue_oldest_seconds", "0+60x9", "0x20")}, 12),
    "jobs never wait long": Case("ml-batch", {**BATCH_UP, **gauge("ml_queue_oldest_seconds", "290x60")}, 59),
    "Redis is out of reach": Case(
        "ml-batch", {**BATCH_UP, **gauge("ml_redis_up", "1x9", "0x9")}, 13, (("MlBatchRedisDown", "critical"),)
    ),
    "one worker lost Redis": Case(
        "ml-batch", {**BATCH_UP, **gauge("ml_redis_up", "0x30"), **gauge("ml_redis_up", "1x30", pod="b")}, 29
    ),
    "attempts fail": Case("ml-batch", jobs((720, 0), (10, 0.2)), 728, ((ATTEMPTS, "critical", "1h"),)),
    "attempts seldom fail": Case("ml-batch", jobs((3 * DAY, 0.0005)), 3 * DAY - 10),
}


@pytest.fixture(scope="module")
def promtool() -> Path:
    return program("prometheus", "usr/bin/promtool")


@pytest.fixture(scope="module")
def rules(
    promtool: Path, manifests: Render, one: One, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Path, set[str]]]:
    """Give each chart's file of rules, and the names of its alerts."""
    found = {}
    for chart in ("ml-api", "ml-batch"):
        switched_on = {"monitoring.serviceMonitor.enabled": True, "monitoring.rules.enabled": True}
        spec = one(manifests(chart, **switched_on), "PrometheusRule")["spec"]
        path = tmp_path_factory.mktemp("rules") / f"{chart}.yaml"
        path.write_text(yaml.safe_dump(spec), "utf-8")
        process.run([promtool, "check", "rules", "--lint-fatal", path], timeout_s=60)
        found[chart] = path, {rule["alert"] for group in spec["groups"] for rule in group["rules"] if "alert" in rule}
    return found


def test_every_alert_has_a_case_in_which_it_fires(rules: dict[str, tuple[Path, set[str]]]) -> None:
    for chart, (_, alerts) in rules.items():
        assert {alert for case in CASES.values() if case.chart == chart for alert, *_ in case.fires} == alerts


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_alerts(case: Case, rules: dict[str, tuple[Path, set[str]]], promtool: Path, tmp_path: Path) -> None:
    firing = [
        {
            "labels": "{"
            + ", ".join(
                f'{key}="{text}"' for key, text in zip(("alertname", "severity", "window"), alert, strict=False)
            )
            + "}",
            "value": 1,
        }
        for alert in case.fires
    ]
    file = rules[case.chart][0]
    test = {
        "rule_files": [str(file)],
        # Otherwise promtool takes the groups in any order, and an alert sees a ratio of now or of one step before.
        "group_eval_order": [group["name"] for group in yaml.safe_load(file.read_text("utf-8"))["groups"]],
        "evaluation_interval": f"{step_of(case.minute)}m",
        "tests": [
            {
                "interval": f"{step_of(case.minute)}m",
                "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
                "promql_expr_test": [
                    {
                        "expr": FIRING,
                        "eval_time": f"{case.minute}m",
                        "exp_samples": firing,
                    }
                ],
            }
        ],
    }
    path = tmp_path / "test.yaml"
    path.write_text(yaml.safe_dump(test), "utf-8")
    process.run([promtool, "test", "rules", path], timeout_s=120)
