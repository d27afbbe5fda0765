"""An OpenTelemetry collector for tests: takes OTLP over HTTP on loopback, or takes the connection and never answers."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from tests.unit.service.support import wait_for

KINDS = {1: "internal", 2: "server", 4: "producer", 5: "consumer"}


@dataclass(frozen=True)
class Span:
    """A span as it arrived, with its resource's attributes."""

    name: str
    kind: str
    trace: str
    identity: str
    parent: str
    failed: bool
    attributes: dict[str, Any]
    resource: dict[str, Any]
    ms: float


class Collector:
    """What was sent to it.

    Attributes:
        raw: the bodies as they came, unzipped.
        asked: how many exports have begun, also those without an answer.
    """

    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self.raw: list[bytes] = []
        self.asked = threading.Semaphore(0)

    @property
    def spans(self) -> list[Span]:
        requests = [ExportTraceServiceRequest.FromString(body) for body in list(self.raw)]
        groups = [group for request in requests for group in request.resource_spans]
        return [_span(one, group.resource) for group in groups for scope in group.scope_spans for one in scope.spans]

    def span(self, name: str) -> Span:
        """Wait for the one span of this name."""
        (found,) = wait_for(f"the span {name!r}", lambda: [span for span in self.spans if span.name == name])
        assert isinstance(found, Span)
        return found


@contextmanager
def collector(*, answers: bool = True) -> Iterator[Collector]:
    """Take traces while the block runs.

    Args:
        answers: False: exports are taken and never answered.
    """
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            body = self.rfile.read(int(self.headers["content-length"]))
            taken.asked.release()
            if not answers:
                ended.wait()
                return
            taken.raw.append(gzip.decompress(body) if self.headers["content-encoding"] == "gzip" else body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    taken = Collector(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield taken
    finally:
        ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _span(span: Any, resource: Any) -> Span:
    return Span(
        name=span.name,
        kind=KINDS[span.kind],
        trace=span.trace_id.hex(),
        identity=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        failed=span.status.code == 2,
        attributes=_attributes(span.attributes),
        resource=_attributes(resource.attributes),
        ms=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e6,
    )


def _attributes(pairs: Any) -> dict[str, Any]:
    def value(pair: KeyValue) -> Any:
        return getattr(pair.value, pair.value.WhichOneof("value") or "string_value")

    return {pair.key: value(pair) for pair in pairs}
