"""Traces: from a request or a sender to the worker, as a collector gets them; and none of it at anybody's cost."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ml_service.__main__ import main
from mldeploy import process
from tests.unit.service.collector import collector
from tests.unit.service.support import DEADLINE_S, DIGITS, ROOT, Redis, Service, api, wait_for, worker

STREAM = "ml:jobs"
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, NOT_SAMPLED = f"00-{TRACE}-{CALLER}-01", f"00-{TRACE}-{CALLER}-00"
BODY = json.dumps({"image": DIGITS[7]})


def settings(endpoint: str, **more: str) -> dict[str, str]:
    # Sent every 50 ms rather than every 5 s.
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_SCHEDULE_DELAY": "50", "OTEL_SERVICE_NAME": "one"} | more


def requests(service: Service) -> list[dict[str, Any]]:
    return [line for line in service.log if line["message"] == "request" and line["path"] == "/v1/predict"]


def test_a_request_continues_its_caller_s_trace_down_to_the_inference(model: Path) -> None:
    with (
        collector() as taken,
        api(model, **settings(taken.endpoint, OTEL_RESOURCE_ATTRIBUTES="k8s.namespace.name=dev")) as running,
        running.ready().client() as client,
    ):
        client.get("/healthz", headers={"traceparent": SAMPLED})
        query = {"api_key": "canary-query"}
        headers = {"traceparent": SAMPLED, "x-api-key": "canary-header"}
        assert client.post("/v1/predict", params=query, headers=headers, content=BODY).status_code == 200
        inference, request = taken.span("inference"), taken.span("POST /v1/predict")
        (line,) = wait_for("the request's line", lambda: requests(running))
    assert (request.kind, request.trace, request.parent) == ("server", TRACE, CALLER)
    assert (inference.kind, inference.trace, inference.parent) == ("internal", TRACE, request.identity)
    assert inference.ms <= request.ms
    assert request.attributes["http.response.status_code"] == 200
    assert request.attributes["http.route"] == "/v1/predict"
    assert (request.resource["service.name"], request.resource["k8s.namespace.name"]) == ("one", "dev")
    assert line["trace_id"] == TRACE
    assert {span.name for span in taken.spans} == {"inference", "POST /v1/predict"}
    sent = b"".join(taken.raw)
    assert b"REDACTED" in sent
    assert b"canary" not in sent


def test_what_was_traced_last_is_sent_before_the_process_ends(model: Path) -> None:
    with collector() as taken, api(model, **settings(taken.endpoint, OTEL_BSP_SCHEDULE_DELAY="600000")) as running:
        with running.ready().client() as client:
            assert client.post("/v1/predict", content="{").status_code == 422
        assert taken.spans == []
        running.signal(signal.SIGTERM)
        assert running.ended() == 0
        (request,) = [span for span in taken.spans if span.kind == "server"]
    assert request.attributes["http.response.status_code"] == 422
    assert not request.failed
    assert requests(running)[0]["trace_id"] == request.trace


def test_a_job_continues_its_sender_s_trace(model: Path, queue: Redis) -> None:
    with collector() as taken, worker(model, queue.url, **settings(taken.endpoint)) as running:
        variables = settings(taken.endpoint, ML_REDIS_URL=queue.url, TRACEPARENT=SAMPLED)
        command = [sys.executable, "-m", "ml_service", "submit"]
        variables["PYTHONPATH"] = str(ROOT / "service")
        process.run(command, env=variables, input_text=BODY, timeout_s=60)
        sent, worked = taken.span(f"send {STREAM}"), taken.span(f"process {STREAM}")
        line = running.logged("job")
        entry: Any = {"id": "by hand", "body": "{", "traceparent": SAMPLED, "tracestate": "vendor=1"}
        queue.client().xadd(STREAM, entry)
        wait_for("the second job", lambda: len([x for x in taken.spans if x.kind == "consumer"]) == 2)
    assert (sent.kind, sent.trace, sent.parent) == ("producer", TRACE, CALLER)
    assert (worked.kind, worked.trace, worked.parent) == ("consumer", TRACE, sent.identity)
    assert worked.attributes["messaging.message.conversation_id"] == line["job"]
    assert (worked.attributes["ml.job.outcome"], worked.attributes["ml.job.deliveries"]) == ("done", 1)
    assert line["trace_id"] == TRACE
    (by_hand,) = [span for span in taken.spans if span.attributes.get("ml.job.outcome") == "failed"]
    assert (by_hand.trace, by_hand.parent, by_hand.failed) == (TRACE, CALLER, False)


@pytest.mark.parametrize("context", [b"", b"\xff\x00", b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01"])
def test_a_context_that_cannot_be_read_begins_a_new_trace(model: Path, queue: Redis, context: bytes) -> None:
    with collector() as taken, worker(model, queue.url, **settings(taken.endpoint)) as running:
        fields: Any = {"id": "x", "body": BODY, "traceparent": context, "tracestate": context}
        queue.client().xadd(STREAM, fields)
        worked = taken.span(f"process {STREAM}")
        assert running.logged("job")["outcome"] == "done"
    assert worked.parent == ""
    assert worked.trace == running.logged("job")["trace_id"]


def test_a_job_that_raises_an_error_is_a_failed_span_without_its_text(model: Path, queue: Redis) -> None:
    broken = "import ml_service.worker as w\ndef fail(*_, **__): raise KeyError('canary')\nw.answer = fail\n"
    run = "from ml_service.__main__ import main; raise SystemExit(main(['worker']))"
    with collector() as taken:
        variables = settings(taken.endpoint, ML_REDIS_URL=queue.url, ML_MODEL_PATH=str(model), ML_METRICS_PORT="0")
        running = process.start(
            [sys.executable, "-c", broken + run], env=variables | {"PYTHONPATH": str(ROOT / "service")}
        )
        try:
            entry: Any = {"id": "x", "body": BODY}
            queue.client().xadd(STREAM, entry)
            worked = taken.span(f"process {STREAM}")
        finally:
            process.terminate(running)
    assert worked.failed
    assert worked.attributes["ml.job.outcome"] == "retried"
    assert b"canary" not in b"".join(taken.raw)


def test_sampling_is_a_share_of_the_traces_that_begin_here(model: Path) -> None:
    never = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}
    with (
        collector() as taken,
        api(model, **settings(taken.endpoint, **never)) as running,
        running.ready().client() as client,
    ):
        for headers in ({}, {"traceparent": NOT_SAMPLED}, {"traceparent": SAMPLED}):
            client.post("/v1/predict", content=BODY, headers=headers)
        running.signal(signal.SIGTERM)
        assert running.ended() == 0
        assert [span.parent for span in taken.spans if span.kind == "server"] == [CALLER]
    own, *others = [line["trace_id"] for line in requests(running)]
    assert others == [TRACE, TRACE]
    assert len(own) == 32


def test_without_an_endpoint_nothing_of_the_sdk_is_imported(model: Path, queue: Redis) -> None:
    program = """
import json, sys
from ml_service import server, submit, worker
from ml_service.settings import ApiSettings, read
from ml_service.tracing import Tracing, start
tracing = start(read(ApiSettings))
print(json.dumps({"kind": type(tracing).__name__, "modules": sorted(sys.modules)}))
"""
    for endpoint, expected in (("", False), ("http://127.0.0.1:9", True)):
        variables = {"PYTHONPATH": str(ROOT / "service"), "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
        found = json.loads(process.run([sys.executable, "-c", program], env=variables, timeout_s=60).stdout)
        # redis-py reads the SDK's metrics where it finds them; the image has none of those (service/build.py).
        parts = ("opentelemetry.sdk.trace", "opentelemetry.exporter", "requests", "urllib3")
        loaded = [name for name in found["modules"] if name.startswith(parts)]
        assert bool(loaded) is expected, found["kind"]
    with api(model) as running, running.ready().client() as client:
        client.post("/v1/predict", content=BODY, headers={"traceparent": SAMPLED})
        assert "trace_id" not in wait_for("the request's line", lambda: requests(running))[0]
    fields: Any = {"id": "x", "body": BODY, "traceparent": SAMPLED}
    queue.client().xadd(STREAM, fields)
    with worker(model, queue.url) as running_worker:
        assert "trace_id" not in running_worker.logged("job")


def test_a_collector_that_never_answers_delays_no_request_and_no_end(model: Path) -> None:
    # So small a queue that it is full after eight spans.
    small = {"OTEL_BSP_MAX_QUEUE_SIZE": "8", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "4", "OTEL_EXPORTER_OTLP_TIMEOUT": "60"}
    with (
        collector(answers=False) as taken,
        api(model, **settings(taken.endpoint, **small)) as running,
        running.ready().client() as client,
    ):
        client.post("/v1/predict", content=BODY)
        assert taken.asked.acquire(timeout=DEADLINE_S)
        slowest = 0.0
        for _ in range(50):
            began = time.monotonic()
            assert client.post("/v1/predict", content=BODY).status_code == 200
            slowest = max(slowest, time.monotonic() - began)
        # Far from the exporter's own 60 s, whatever else this machine does.
        assert slowest < 5
        running.logged("Queue full, dropping Span.")
        began = time.monotonic()
        running.signal(signal.SIGTERM)
        assert running.ended() == 0
        # The charts' grace period leaves 5 s beside the drain.
        assert time.monotonic() - began < 5
        assert running.log[-1]["message"] == "stopped"


def test_without_a_collector_jobs_are_answered_and_the_worker_ends(model: Path, queue: Redis) -> None:
    with collector() as taken:
        gone = taken.endpoint
    with worker(model, queue.url, **settings(gone)) as running:
        fields: Any = {"id": "x", "body": BODY}
        queue.client().xadd(STREAM, fields)
        assert running.logged("job")["outcome"] == "done"
        wait_for("the exporter's complaint", lambda: any("exporter" in line["logger"] for line in running.log))
        began = time.monotonic()
        running.signal(signal.SIGTERM)
        assert running.ended() == 0
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "endpoint", ["collector:4318", "http://user:canary@collector:4318", "http://collector/?k=canary"]
)
def test_an_endpoint_that_cannot_be_used_is_2_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], endpoint: str
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
    for words in (["api"], ["worker"]):
        assert main(words) == 2
        printed = capsys.readouterr()
        assert printed.err.startswith("ml_service: OTEL_EXPORTER_OTLP_ENDPOINT: ")
        assert printed.err.count("\n") == 1
        assert "canary" not in printed.err
