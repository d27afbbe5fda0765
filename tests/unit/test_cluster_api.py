"""The few requests to an API server: what is sent again, and what is not.

A fake server, for what a real one does only when its disk is slow: it fails, or hangs up, for a while.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mldeploy.cluster import api as module
from mldeploy.cluster import pki
from mldeploy.cluster.api import Api, ApiError

NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "one"}}
SECOND = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "two", "namespace": "one"}}

Serve = Callable[[list[int]], tuple[Api, list[str]]]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start a server that gives statuses in turn (0: it hangs up), then 200; gives the client and what was asked."""
    servers: list[ThreadingHTTPServer] = []
    pki.make(tmp_path, pki.certificates("node", whole_node=False))

    def start(statuses: list[int]) -> tuple[Api, list[str]]:
        asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PATCH(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                asked.append(self.path.partition("?")[0])
                status = statuses.pop(0) if statuses else 200
                if not status:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "apiserver.crt", tmp_path / "apiserver.key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return Api(server.server_address[1], tmp_path), asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_what_the_server_fails_at_is_sent_again(serve: Serve) -> None:
    api, asked = serve([500, 0, 504])
    api.apply([NAMESPACE, SECOND])
    assert asked == ["/api/v1/namespaces/one"] * 4 + ["/api/v1/namespaces/one/configmaps/two"]


@pytest.mark.parametrize("status", [403, 404, 409, 422])
def test_what_it_refuses_is_not(serve: Serve, status: int) -> None:
    api, asked = serve([status])
    with pytest.raises(ApiError, match=f"PATCH /api/v1/namespaces/one.*: {status}") as caught:
        api.apply([NAMESPACE, SECOND])
    assert caught.value.status == status
    assert len(asked) == 1


def test_it_does_not_try_for_ever(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_APPLY_S", 0.5)
    api, asked = serve([500] * 100)
    with pytest.raises(ApiError, match=": 500"):
        api.apply([NAMESPACE])
    assert 1 < len(asked) < 100
