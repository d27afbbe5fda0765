"""HTTP checks through a real forward to a real HTTP server; only the API server between them is a stand-in."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from kubernetes.client import ApiClient, Configuration

from mldeploy.smoke.declaration import HttpCheck, LatencyCheck, Request
from mldeploy.smoke.forward import Forward
from mldeploy.smoke.http import check_http, check_latency, percentile
from mldeploy.smoke.kube import disconnect
from mldeploy.smoke.result import FailedError, difference
from tests.fixtures.cluster_api import Pod, serve


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer({"status": "ok", "key": self.headers.get("X-Api-Key")})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/slow":
            time.sleep(0.02)
        self.answer({"got": body, "type": self.headers["Content-Type"]}, 422 if body == "bad" else 200)

    def answer(self, content: Any, status: int = 200) -> None:
        data = b"<html>" if self.path == "/html" else json.dumps(content).encode()
        if self.path == "/never":
            self.server.release.wait(10)  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def web() -> Iterator[tuple[str, int]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.release = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield ("127.0.0.1", server.server_port)
    finally:
        server.release.set()  # type: ignore[attr-defined]
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def forward() -> Iterator[Forward]:
    with serve() as cluster, web() as address:
        cluster.pods = {"web": Pod(address)}
        cluster.set_ready("web")
        api = ApiClient(Configuration(host=f"http://127.0.0.1:{cluster.port}"))
        with Forward(api, "lab", "web", 80) as one:
            yield one
        disconnect(api)


def soon(seconds: float = 10.0) -> float:
    return time.monotonic() + seconds


def get(path: str, status: int = 200, answer: Any = None) -> HttpCheck:
    return HttpCheck(Request(path, "GET"), status, answer)


def test_an_answer_as_declared_passes(forward: Forward) -> None:
    check_http(get("/", answer={"status": "ok", "key": "k1"}), forward, {"X-Api-Key": "k1"}, soon())
    posted = HttpCheck(Request("/", "POST", body={"a": 1}), 200, {"got": {"a": 1}, "type": "application/json"})
    check_http(posted, forward, {}, soon())
    check_http(HttpCheck(Request("/", "POST", body="bad"), 422), forward, {}, soon())


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (get("/", status=404), 'GET /: status 200, not 404: {"status": "ok", "key": null}'),
        (get("/", answer={"status": "up"}), "GET /: status is 'ok', not 'up'"),
        (get("/", answer={"mood": "good"}), "GET /: mood is missing"),
        (get("/html", answer={}), "GET /html: the answer is no JSON: <html>"),
    ],
)
def test_another_answer_is_told(forward: Forward, check: HttpCheck, message: str) -> None:
    with pytest.raises(FailedError) as caught:
        check_http(check, forward, {}, soon())
    assert caught.value.message == message


def test_no_answer_in_time_is_told(forward: Forward) -> None:
    with pytest.raises(FailedError, match="GET /never: no answer in the time that the check has"):
        check_http(get("/never"), forward, {}, soon(0.2))


def test_latency_gives_percentiles_and_holds_them_to_their_bounds(forward: Forward) -> None:
    ask = Request("/slow", "POST", body=1)
    measures = check_latency(LatencyCheck(ask, 10, {50: 5000, 99: 5000}), forward, {}, soon())
    assert 20 <= measures["p50"] <= measures["p99"]
    with pytest.raises(FailedError, match=r"p50 is \d+\.\d ms, over 1 ms \(10 requests\)"):
        check_latency(LatencyCheck(ask, 10, {50: 1, 99: 5000}), forward, {}, soon())


def test_latency_fails_with_the_first_request_that_does(forward: Forward) -> None:
    ask = Request("/", "POST", body="bad")
    with pytest.raises(FailedError, match="POST /: request 1: status 422, not 200"):
        check_latency(LatencyCheck(ask, 10, {50: 1000}), forward, {}, soon())


def test_percentiles_are_nearest_rank() -> None:
    values = [float(number) for number in range(1, 101)]
    assert [percentile(values, p) for p in (1, 50, 99)] == [1, 50, 99]
    assert percentile([7.0], 99) == 7


@pytest.mark.parametrize(
    ("expected", "found", "told"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, ""),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, "a.b[1] is 3, not 2"),
        ([1], [1, 2], "the answer is [1, 2], not [1]"),
        (1, 1.0, ""),
        (1, True, "the answer is True, not 1"),
        (None, None, ""),
    ],
)
def test_difference_is_told_at_its_place(expected: Any, found: Any, told: str) -> None:
    assert difference(expected, found) == told
