"""Around every request: its id, its metrics, its log line, and `Connection: close` once the server drains."""

from __future__ import annotations

import logging
import re
import time
import uuid

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ml_service.lifecycle import Lifecycle
from ml_service.logs import request_id, trace_id
from ml_service.metrics import ApiMetrics
from ml_service.tracing import Tracing

PROBES = {"/healthz", "/readyz", "/metrics"}
# Labels come from these sets alone: whoever asks for random paths must not fill Prometheus.
_PATHS = PROBES | {"/v1/predict", "/openapi.json"}
_METHODS = {"GET", "HEAD", "POST"}
_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")

log = logging.getLogger("ml_service.request")


class Observe:
    """The outermost ASGI layer."""

    def __init__(self, app: ASGIApp, *, lifecycle: Lifecycle, metrics: ApiMetrics, tracing: Tracing) -> None:
        self._app, self._lifecycle, self._metrics, self._tracing = app, lifecycle, metrics, tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's event, as ASGI says."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        identity = _request_id(scope)
        token = request_id.set(identity)
        trace_token = trace_id.set("")
        began = time.perf_counter()
        status = 500
        begun = False

        async def answer(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
                # The span is FastAPI's, and over by the time that the line below is written.
                trace_id.set(self._tracing.trace_id())
                headers = [*message.get("headers", []), (b"x-request-id", identity.encode())]
                if self._lifecycle.draining:
                    # So that the client's next request goes to another pod.
                    headers.append((b"connection", b"close"))
                message = {**message, "headers": headers}
            await send(message)

        try:
            with self._metrics.in_flight.track_inprogress():
                await self._app(scope, receive, answer)
        except Exception:
            log.exception("request failed")
            if not begun:
                await answer({"type": "http.response.start", "status": 500, "headers": []})
                await answer({"type": "http.response.body", "body": b""})
        finally:
            self._record(scope, status, time.perf_counter() - began)
            trace_id.reset(trace_token)
            request_id.reset(token)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        path = scope["path"] if scope["path"] in _PATHS else "other"
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.requests.labels(method, path, str(status)).inc()
        self._metrics.duration.labels(path).observe(seconds)
        level = logging.DEBUG if path in PROBES and status < 500 else logging.INFO
        fields = {"method": method, "path": path, "status": status, "ms": round(seconds * 1000, 2)}
        log.log(level, "request", extra={"fields": fields})


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _ID.fullmatch(value):
            return str(value.decode())
    return uuid.uuid4().hex
