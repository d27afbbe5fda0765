"""The API over real HTTP: what it answers, what it refuses, and how it says so."""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

from ml_service.__main__ import main
from tests.unit.service.support import DIGITS, Api, api, wait_for

BLANK = [[0] * 8] * 8


def test_names_one_digit_and_says_how_sure_it_is(service: Api) -> None:
    with service.client() as client:
        for digit, image in DIGITS.items():
            answer = client.post("/v1/predict", json={"image": image})
            assert answer.status_code == 200
            content = answer.json()
            assert content["digit"] == digit
            assert content["probabilities"].index(max(content["probabilities"])) == digit
            assert sum(content["probabilities"]) == pytest.approx(1, abs=1e-4)
            assert content["model"]["name"] == "digits"


def test_a_batch_is_answered_in_its_order_and_as_its_parts_are(service: Api) -> None:
    with service.client() as client:
        order = [7, 0, 4, 7]
        batch = client.post("/v1/predict", json={"images": [DIGITS[digit] for digit in order]}).json()
        assert [prediction["digit"] for prediction in batch["predictions"]] == order
        alone = client.post("/v1/predict", json={"image": DIGITS[4]}).json()
        assert batch["predictions"][2]["probabilities"] == alone["probabilities"]


def test_the_version_is_the_files_own(service: Api, model: Path) -> None:
    import hashlib

    with service.client() as client:
        version = client.post("/v1/predict", json={"image": BLANK}).json()["model"]["version"]
    assert version == hashlib.sha256(model.read_bytes()).hexdigest()[:12]


def with_pixel(value: object) -> str:
    return json.dumps({"image": [[0] * 7 + ["PIXEL"], *BLANK[1:]]}).replace('"PIXEL"', str(value))


BAD_BODIES = {
    "empty": ("", []),
    "no JSON": ("{", []),
    "not UTF-8": (b'{"image": "\xff"}', []),
    "another type": ("[]", []),
    "neither key": ("{}", []),
    "both keys": (json.dumps({"image": BLANK, "images": [BLANK]}), []),
    "null": ('{"image": null}', ["image"]),
    "unknown key": (json.dumps({"image": BLANK, "model": "x"}), ["model"]),
    "seven rows": (json.dumps({"image": BLANK[:7]}), ["image"]),
    "nine columns": (json.dumps({"image": [[0] * 9] * 8}), ["image", 0]),
    "no images": ('{"images": []}', ["images"]),
    "too many images": (json.dumps({"images": [BLANK] * 257}), ["images"]),
    "too bright": (with_pixel(16.001), ["image", 0, 7]),
    "negative": (with_pixel(-1), ["image", 0, 7]),
    "text": (with_pixel('"3"'), ["image", 0, 7]),
    "boolean": (with_pixel("true"), ["image", 0, 7]),
    "NaN": (with_pixel("NaN"), ["image", 0, 7]),
    "infinity": (with_pixel("Infinity"), ["image", 0, 7]),
    "huge number": (with_pixel("1e999"), ["image", 0, 7]),
    "deep": ('{"image": ' + "[" * 100_000 + "]" * 100_000 + "}", []),
}


@pytest.mark.parametrize(("body", "place"), BAD_BODIES.values(), ids=BAD_BODIES)
def test_bad_input_is_422_and_says_where(service: Api, body: str | bytes, place: list[str | int]) -> None:
    with service.client() as client:
        answer = client.post("/v1/predict", content=body)
    assert answer.status_code == 422
    problems = answer.json()["detail"]
    assert problems
    assert problems[0]["loc"] == place
    assert all(set(problem) == {"loc", "msg", "type"} for problem in problems)


def test_a_refusal_never_repeats_what_was_sent(service: Api) -> None:
    with service.client() as client:
        answer = client.post("/v1/predict", json={"image": [["s3cret-value"] * 8] * 8})
    assert answer.status_code == 422
    assert "s3cret-value" not in answer.text
    assert len(answer.json()["detail"]) == 20
    assert not any("s3cret-value" in line for line in service.lines)


def test_a_body_that_announces_too_much_is_413(model: Path) -> None:
    with api(model, ML_MAX_BODY_BYTES="2000") as running, running.ready().client() as client:
        assert client.post("/v1/predict", content=b" " * 2001).status_code == 413
        assert client.post("/v1/predict", json={"image": DIGITS[0]}).json()["digit"] == 0


def test_a_body_in_chunks_is_413_as_soon_as_it_is_too_much(model: Path) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 1000

    with api(model, ML_MAX_BODY_BYTES="2000") as running, running.ready().client() as client:
        assert client.post("/v1/predict", content=chunks()).status_code == 413
        small = iter([json.dumps({"image": DIGITS[7]}).encode()])
        assert client.post("/v1/predict", content=small).json()["digit"] == 7


def test_a_body_that_never_arrives_is_408(model: Path) -> None:
    with api(model, ML_BODY_TIMEOUT_S="0.2") as running:
        connection = http.client.HTTPConnection("127.0.0.1", running.ready().port, timeout=10)
        connection.putrequest("POST", "/v1/predict")
        connection.putheader("Content-Length", "10")
        connection.endheaders(b"{")
        answer = connection.getresponse()
        assert answer.status == 408
        assert answer.getheader("connection") == "close"
        connection.close()


def test_bytes_that_are_not_http_do_not_disturb(service: Api) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.sendall(b"\x16\x03\x01 not HTTP at all\r\n\r\n")
        assert b"400" in connection.recv(1000)
    with service.client() as client:
        assert client.get("/healthz").status_code == 200


def test_what_is_not_there_is_404_and_a_wrong_method_405(service: Api) -> None:
    with service.client() as client:
        assert client.get("/v1/nothing").status_code == 404
        assert client.get("/v1/predict").status_code == 405
        assert client.get("/docs").status_code == 404


def test_not_ready_while_the_model_loads_and_ready_after(model: Path, tmp_path: Path) -> None:
    slow = tmp_path / "slow.onnx"
    os.mkfifo(slow)
    with api(slow) as running, running.client() as client:
        assert client.get("/healthz").status_code == 200
        refused = client.get("/readyz")
        assert (refused.status_code, refused.json()) == (503, {"status": "loading"})
        early = client.post("/v1/predict", json={"image": BLANK})
        assert early.status_code == 503
        assert early.headers["retry-after"] == "1"
        slow.write_bytes(model.read_bytes())
        wait_for("/readyz", lambda: client.get("/readyz").status_code == 200)
        assert client.post("/v1/predict", json={"image": DIGITS[0]}).json()["digit"] == 0


@pytest.mark.parametrize("content", [None, b"no model"], ids=["missing", "broken"])
def test_without_a_model_the_process_ends_with_1_and_says_why(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    with api(path) as running:
        assert running.ended() == 1
        said = next(line for line in running.log if line["level"] == "error")
        assert str(path) in said["error"]


def test_a_taken_port_ends_the_process_with_an_error(service: Api, model: Path) -> None:
    with api(model, ML_PORT=str(service.port)) as second:
        assert second.ended() == 1
        assert any("address already in use" in line for line in second.lines)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ML_PORT", "http"),
        ("ML_PORT", "70000"),
        ("ML_LOG_LEVEL", "loud"),
        ("ML_CONCURRENCY", "0"),
        ("ML_DRAIN_DELAY_S", "-1"),
        ("ML_API_KEYS", " , "),
        ("ML_API_KEYS_FILE", "/nowhere/keys"),
    ],
)
def test_a_wrong_setting_is_2_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert main(["api"]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(f"ml_service: {variable}: ")
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "code"),
    [(["serve"], 2), (["worker", "--forever"], 2), (["submit", "--timeout", "x"], 2), (["--help"], 0)],
)
def test_words_that_mean_nothing_show_the_usage(
    words: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == code
    assert capsys.readouterr().err.startswith("usage: ml_service api | worker")


def schema_of(description: dict[str, Any], status: int, path: str = "/v1/predict", method: str = "post") -> Any:
    schema = description["paths"][path][method]["responses"][str(status)]["content"]["application/json"]["schema"]
    return {**schema, "components": description["components"]}


def test_answers_are_what_openapi_says(service: Api) -> None:
    with service.client() as client:
        description = client.get("/openapi.json").json()
        answers = {
            200: client.post("/v1/predict", json={"images": [BLANK]}),
            422: client.post("/v1/predict", json={}),
        }
        single = client.post("/v1/predict", json={"image": BLANK}).json()
    for status, answer in answers.items():
        assert answer.status_code == status
        jsonschema.validate(answer.json(), schema_of(description, status))
    jsonschema.validate(single, schema_of(description, 200))
    operation = description["paths"]["/v1/predict"]["post"]
    assert {"200", "401", "408", "413", "422", "503"} <= set(operation["responses"])
    request = operation["requestBody"]["content"]["application/json"]["schema"]
    jsonschema.validate({"image": DIGITS[0]}, request)
    for wrong in ({}, {"image": BLANK, "images": [BLANK]}, {"image": [[17] * 8] * 8}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, request)


def metrics(client: httpx2.Client) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}


def test_metrics_count_requests_by_known_labels_only(model: Path) -> None:
    with api(model) as running, running.ready().client() as client:
        for _ in range(3):
            client.post("/v1/predict", json={"image": BLANK})
        client.post("/v1/predict", json={})
        for number in range(5):
            client.get(f"/random/{number}")
        client.delete("/v1/predict")
        found = metrics(client)
    requests = {labels: value for (name, labels), value in found.items() if name == "ml_requests_total"}
    predict = (("method", "POST"), ("path", "/v1/predict"))
    assert requests[(*predict, ("status", "200"))] == 3
    assert requests[(*predict, ("status", "422"))] == 1
    assert requests[(("method", "GET"), ("path", "other"), ("status", "404"))] == 5
    assert requests[(("method", "other"), ("path", "/v1/predict"), ("status", "405"))] == 1
    assert found[("ml_request_duration_seconds_count", (("path", "/v1/predict"),))] == 5
    assert found[("ml_inference_duration_seconds_count", ())] == 3
    assert found[("ml_requests_in_flight", ())] == 1
    assert any(name == "ml_model_info" and ("name", "digits") in labels for name, labels in found)


def test_each_request_is_one_json_line_with_its_id_and_without_its_body(service: Api) -> None:
    with service.client() as client:
        answer = client.post("/v1/predict", json={"image": DIGITS[4]}, headers={"X-Request-ID": "order-1.a_B"})
        assert answer.headers["x-request-id"] == "order-1.a_B"
        forged = client.post("/v1/predict", json={}, headers={"X-Request-ID": 'x"; drop\\'})
        assert forged.headers["x-request-id"].isalnum()
        client.get("/healthz")
    line = wait_for(
        "the request's line", lambda: next((x for x in service.log if x.get("request_id") == "order-1.a_B"), None)
    )
    assert set(line) == {"time", "level", "logger", "message", "request_id", "method", "path", "status", "ms"}
    assert (line["method"], line["path"], line["status"], line["level"]) == ("POST", "/v1/predict", 200, "info")
    probe = wait_for("the probe's line", lambda: [x for x in service.log if x.get("path") == "/healthz"])
    assert {x["level"] for x in probe} == {"debug"}
    assert "0, 5, 16, 10" not in "\n".join(service.lines)
