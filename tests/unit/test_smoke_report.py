"""How smoke results are written, and that secrets stay out of them."""

from __future__ import annotations

import json
from base64 import b64encode
from xml.etree import ElementTree as ET

import pytest

from mldeploy.report.checks import as_json, as_junit, as_text
from mldeploy.smoke import CheckResult
from mldeploy.smoke.redact import Redactor

RESULTS = [
    CheckResult("dev", "ml-api", "health", "passed", 0.0123),
    CheckResult("dev", "ml-api", "latency", "passed", 1.5, measures={"p50": 1.94, "p99": 12.0}),
    CheckResult(
        "dev", "ml-batch", "rollout", "failed", 2.0, "not <ready>\x1b", details=("pod x is not ready", "log a")
    ),
    CheckResult("dev", "ml-batch", "job", "skipped", 0.0, "the service is not ready"),
]


def test_text() -> None:
    assert as_text(RESULTS).splitlines() == [
        "passed   ml-api health       0.01 s",
        "passed   ml-api latency      1.50 s  p50 1.9 ms  p99 12.0 ms",
        "failed   ml-batch rollout    2.00 s  not <ready>\\x1b",
        "           pod x is not ready",
        "           log a",
        "skipped  ml-batch job        0.00 s  the service is not ready",
        "2 passed, 1 failed, 1 skipped",
    ]


def test_json() -> None:
    content = json.loads(as_json(RESULTS))
    assert content["passed"] is False
    assert content["checks"][1]["milliseconds"] == {"p50": 1.94, "p99": 12.0}
    assert content["checks"][2]["details"] == ["pod x is not ready", "log a"]
    assert json.loads(as_json(RESULTS[:2]))["passed"] is True


def test_junit() -> None:
    root = ET.fromstring(as_junit(RESULTS))  # noqa: S314 - our own
    suites = {suite.get("name"): suite for suite in root}
    assert set(suites) == {"dev.ml-api", "dev.ml-batch"}
    batch = suites["dev.ml-batch"]
    assert (batch.get("tests"), batch.get("failures"), batch.get("skipped")) == ("2", "1", "1")
    failure = batch.find("testcase[@name='rollout']/failure")
    assert failure is not None
    assert failure.get("message") == "not <ready>\\x1b"
    assert "pod x is not ready" in (failure.text or "")
    p99 = suites["dev.ml-api"].find("testcase[@name='latency']/properties/property[@name='p99_ms']")
    assert p99 is not None
    assert p99.get("value") == "12.00"


SECRET = "hunter-22-Zwölf"


@pytest.mark.parametrize(
    "text",
    [
        f"the key is {SECRET}.",
        f"data: {b64encode(SECRET.encode()).decode()}",
        "second line of a file: line-two",
        "password=abcdef and more",
        "DB_PASSWORD: 'abcdef'",
        '{"api_key": "abcdef"}',
        "Authorization: Bearer abcdef",
        "redis://user:abcdef@host:6379/0",
        "redis://:abcdef@host/0",
    ],
)
def test_secrets_are_taken_out(text: str) -> None:
    redact = Redactor.of([SECRET, "first-line\nline-two\n"])
    out = redact(text)
    assert "***" in out
    for secret in (SECRET, b64encode(SECRET.encode()).decode(), "line-two", "abcdef"):
        assert secret not in out


@pytest.mark.parametrize(
    "text", ['Get "http://10.244.0.5:9090/readyz": dial tcp 10.244.0.5:9090: refused', "true is 1"]
)
def test_ordinary_text_stays(text: str) -> None:
    assert Redactor.of(["true"[:3], "1"])(text) == text
