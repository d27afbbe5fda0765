"""A real Prometheus with the charts' rules, in windows of seconds, scrapes the real service until each alert fired."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from mldeploy import process
from mldeploy.toolchain import tool
from tests.fixtures.prometheus import Prometheus, prometheus
from tests.unit.service.conftest import model, queue  # noqa: F401 - fixtures
from tests.unit.service.support import DIGITS, Api, Redis, api, wait_for, worker

ROOT = Path(__file__).parents[2]
STREAM = "ml:jobs"
BURN = [{"severity": "critical", "factor": 2, "long": "10s", "short": "4s", "for": "1s"}]
RULES: dict[str, dict[str, Any]] = {
    "ml-api": {"latency.thresholdSeconds": 0.001},
    "ml-batch": {"queueLag.seconds": 1, "queueLag.for": "1s", "redisDownFor": "1s"},
}
LARGE = {"images": [DIGITS[4]] * 250}


def rules(chart: str, folder: Path) -> tuple[Path, set[str]]:
    """Render a chart's rules for release `live-<chart>` of namespace `live`; give their file and the alerts' names."""
    below = {"enabled": True, "burnRates": BURN, "downFor": "5s", "atMaximumFor": "2s", **RULES[chart]}
    values = {"monitoring.serviceMonitor.enabled": True, **{f"monitoring.rules.{k}": v for k, v in below.items()}}
    sets = [word for key, value in values.items() for word in ("--set-json", f"{key}={json.dumps(value)}")]
    words = ["template", f"live-{chart}", f"{ROOT}/charts/{chart}", "--namespace", "live"]
    rendered = process.run(
        [tool("helm"), *words, "--api-versions", "monitoring.coreos.com/v1", *sets],
        timeout_s=60,
        env={"HOME": str(folder)},
    )
    found = [each for each in yaml.safe_load_all(rendered.stdout) if each and each["kind"] == "PrometheusRule"]
    path = folder / f"{chart}.yaml"
    path.write_text(yaml.safe_dump(found[0]["spec"]), "utf-8")
    return path, {rule["alert"] for group in found[0]["spec"]["groups"] for rule in group["rules"] if "alert" in rule}


class Others:
    """Stands in for what cannot be shown here: kube-state-metrics of an HPA, and a worker whose code raises errors."""

    def __init__(self) -> None:
        self.troubled = False

    def text(self) -> str:
        lines = []
        for service in RULES:
            labels = f'namespace="live",horizontalpodautoscaler="live-{service}"'
            lines.append(f"kube_horizontalpodautoscaler_spec_max_replicas{{{labels}}} 4")
            current = 4 if self.troubled else 1
            lines.append(f"kube_horizontalpodautoscaler_status_current_replicas{{{labels}}} {current}")
        rising = time.monotonic() if self.troubled else 0
        lines.append(f'ml_jobs_total{{namespace="live",service="live-ml-batch",outcome="retried"}} {rising}')
        return "\n".join(lines) + "\n"

    @contextmanager
    def serve(self) -> Iterator[int]:
        others = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("content-type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(others.text().encode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            server.server_close()


@contextmanager
def load(service: Api, clients: int) -> Iterator[None]:
    """Send large requests from several clients at once."""
    over = threading.Event()

    def ask() -> None:
        with service.client() as client:
            while not over.is_set():
                client.post("/v1/predict", json=LARGE)

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def configuration(files: list[Path], ports: dict[str, int], others: int) -> dict[str, Any]:
    own = [
        {"targets": [f"127.0.0.1:{port}"], "labels": {"namespace": "live", "service": f"live-{service}"}}
        for service, port in ports.items()
    ]
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(path) for path in files],
        "scrape_configs": [
            {"job_name": "services", "static_configs": own},
            {"job_name": "others", "honor_labels": True, "static_configs": [{"targets": [f"127.0.0.1:{others}"]}]},
        ],
    }


def fires(server: Prometheus, *alerts: str) -> set[str]:
    """Wait for each of the alerts; they need not fire at the same time."""

    def seen(alert: str) -> bool:
        return alert in server.firing()

    for alert in alerts:
        wait_for(f"{alert} to fire", partial(seen, alert), deadline_s=120)
    return set(alerts)


@contextmanager
def backlog(redis: Redis) -> Iterator[None]:
    """More jobs than a worker answers, for as long as the block runs."""
    client, ends, body = redis.client(), threading.Event(), json.dumps(LARGE)
    numbers = itertools.count()

    def add() -> None:
        while not ends.wait(0.5):
            for number in itertools.islice(numbers, 1000):
                client.xadd(STREAM, {"id": str(number), "body": body})

    thread = threading.Thread(target=add)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()


def test_each_alert_fires(model: Path, queue: Redis, tmp_path: Path) -> None:  # noqa: F811 - fixtures
    files = {chart: rules(chart, tmp_path) for chart in RULES}
    others = Others()
    with (
        api(model, ML_CONCURRENCY="1", ML_MAX_QUEUE="0") as service,
        worker(model, queue.url) as working,
        others.serve() as port,
    ):
        ports = {"ml-api": service.ready().port, "ml-batch": int(working.logged("working")["port"])}
        config = configuration([path for path, _ in files.values()], ports, port)
        with prometheus(tmp_path, config) as server:
            wait_for("both services scraped", lambda: len(server.query('up{namespace="live"} == 1')) == 2)
            wait_for("the rules evaluated", lambda: len(server.query('{__name__=~"service:.*:budget"}')) == 3)
            wait_for("silence", lambda: not server.firing())
            fired = set()
            with backlog(queue):
                fired |= fires(server, "MlBatchQueueLag")
            with load(service, clients=4):
                fired |= fires(server, "MlApiErrorBudgetBurn", "MlApiLatencyBudgetBurn")
            others.troubled = True
            fired |= fires(server, "MlApiAtMaximum", "MlBatchAtMaximum", "MlBatchErrorBudgetBurn")
            queue.stop()
            fired |= fires(server, "MlBatchRedisDown")
            service.stop()
            working.stop()
            fired |= fires(server, "MlApiDown", "MlBatchDown")
    assert fired == {alert for _, alerts in files.values() for alert in alerts}
