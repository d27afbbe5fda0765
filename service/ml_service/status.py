"""The worker's status over HTTP: alive, ready, metrics."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

# Far longer than the largest job takes: a worker silent for this long hangs.
_SILENCE_S = 60.0


class Health:
    """What the worker's loop last said of itself."""

    def __init__(self) -> None:
        self.connected = False
        self.draining = False
        self._beat = time.monotonic()

    def beat(self) -> None:
        """Say that the loop turns."""
        self._beat = time.monotonic()

    @property
    def alive(self) -> bool:
        """Tell whether the loop has turned lately."""
        return time.monotonic() - self._beat < _SILENCE_S

    @property
    def state(self) -> str:
        """Give the state, as `/readyz` does."""
        if self.draining:
            return "draining"
        return "ready" if self.connected else "disconnected"


@contextmanager
def serve_status(port: int, health: Health, registry: CollectorRegistry) -> Iterator[int]:
    """Answer on `/healthz`, `/readyz` and `/metrics` while the block runs.

    Yields:
        The port (another than asked for when that was 0).

    Raises:
        OSError: the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = 5

        def do_GET(self) -> None:
            kind = "application/json"
            if self.path == "/metrics":
                status, body, kind = 200, generate_latest(registry), CONTENT_TYPE_LATEST
            elif self.path == "/healthz":
                status = 200 if health.alive else 503
                body = json.dumps({"status": "ok" if health.alive else "silent"}).encode()
            elif self.path == "/readyz":
                status, body = 200 if health.state == "ready" else 503, json.dumps({"status": health.state}).encode()
            else:
                status, body = 404, b'{"detail": "Not Found"}'
            self.send_response_only(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            """Say nothing: probes are no news."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing: a prober that hangs up is no news either."""

    server = Server(("", port), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="status", daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
