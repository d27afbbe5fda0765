"""Opens a tunnel to a pod: TCP (through a proxy where one is set), TLS, the WebSocket handshake. This part blocks."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Mapping
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, parse_headers
from io import BytesIO
from typing import Any
from urllib.parse import SplitResult, urlsplit

from websockets.utils import accept_key, generate_key

from mldeploy.smoke.forward.tunnel import Tunnel
from mldeploy.smoke.forward.wire import Tls, Wire
from mldeploy.smoke.kube import CONNECT_TIMEOUT_S, ApiClient, ApiError, refusal

_PROTOCOL = "SPDY/3.1+portforward.k8s.io"
_READ_SIZE = 1 << 16


def open_tunnel(api: ApiClient, namespace: str, pod: str, port: int) -> Tunnel:
    """Open a tunnel to a pod; a few milliseconds on a near cluster.

    Args:
        api: whose server, certificates and credentials are used.
        namespace: the pod's.
        pod: its name.
        port: the port inside it; nothing connects to that yet.

    Raises:
        ApiError: the API server cannot be reached, or refuses.
    """
    doing = f"open a port-forward to pod {namespace}/{pod}"
    server = urlsplit(api.configuration.host)
    path = f"{server.path.rstrip('/')}/api/v1/namespaces/{namespace}/pods/{pod}/portforward"
    headers: dict[str, str] = {}
    api.update_params_for_auth(headers, [], ["BearerToken"], path, "GET", None)
    try:
        sock = _connect(api.configuration, server)
        try:
            tls = _encrypt(api.configuration, sock, server.hostname or "") if server.scheme == "https" else None
            rest = _upgrade(sock, tls, server.netloc, path, headers)
        except BaseException:
            sock.close()
            raise
    except _AnswerError as error:
        raise refusal(doing, error.status, error.body) from error
    except (OSError, HTTPException, ValueError) as error:
        raise ApiError(f"cannot {doing}: {error}", status=0) from error
    return Tunnel(Wire(sock, tls, rest), pod, port)


class _AnswerError(Exception):
    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


def _connect(configuration: Any, server: SplitResult) -> socket.socket:
    from kubernetes.client.rest import should_bypass_proxies

    address = (server.hostname or "", server.port or (443 if server.scheme == "https" else 80))
    proxy = urlsplit(configuration.proxy or "")
    if proxy.hostname and not should_bypass_proxies(configuration.host, configuration.no_proxy or ""):
        # The standard library speaks CONNECT; what it opens is a plain socket to the server from then on.
        tunnel = HTTPConnection(proxy.hostname, proxy.port, timeout=CONNECT_TIMEOUT_S)
        tunnel.set_tunnel(*address, headers=configuration.proxy_headers or {})
        tunnel.connect()
        sock: socket.socket = tunnel.sock
    else:
        sock = socket.create_connection(address, timeout=CONNECT_TIMEOUT_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _encrypt(configuration: Any, sock: socket.socket, host: str) -> Tls:
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if not configuration.verify_ssl or configuration.assert_hostname is False:
        context.check_hostname = False
    if not configuration.verify_ssl:
        context.verify_mode = ssl.CERT_NONE
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing, server_hostname=configuration.tls_server_name or host)
    tls = Tls(session, incoming, outgoing)
    while True:
        try:
            session.do_handshake()
        except ssl.SSLWantReadError:
            sock.sendall(outgoing.read())
            incoming.write(_read(sock))
        else:
            sock.sendall(outgoing.read())
            return tls


def _upgrade(sock: socket.socket, tls: Tls | None, host: str, path: str, headers: Mapping[str, str]) -> bytes:
    """Do the WebSocket handshake (RFC 6455, section 4.1) and give what came behind its answer.

    By hand, since libraries hold that a protocol's name is a token, as the RFC says, and Kubernetes' has a slash in it.
    """
    key = generate_key()
    fields = {
        "Host": host,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Protocol": _PROTOCOL,
        **headers,
    }
    request = f"GET {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items()) + "\r\n"
    _write(sock, tls, request.encode("latin-1"))
    answer = b""
    deadline = time.monotonic() + CONNECT_TIMEOUT_S
    while b"\r\n\r\n" not in answer:
        answer += _plain(sock, tls, deadline)
    head, _, rest = answer.partition(b"\r\n\r\n")
    status_line, _, lines = head.partition(b"\r\n")
    status = int(status_line.split(b" ", 2)[1])
    found = parse_headers(BytesIO(lines + b"\r\n\r\n"))
    if status != HTTPStatus.SWITCHING_PROTOCOLS:
        while len(rest) < int(found.get("Content-Length", "0")):
            rest += _plain(sock, tls, deadline)
        raise _AnswerError(status, rest)
    if found.get("Sec-WebSocket-Accept") != accept_key(key):
        raise HTTPException("the answer to the WebSocket handshake is another one's")
    if found.get("Sec-WebSocket-Protocol", "").lower() != _PROTOCOL.lower():
        raise _AnswerError(HTTPStatus.BAD_REQUEST, f"the API server does not speak {_PROTOCOL}".encode())
    return rest


def _plain(sock: socket.socket, tls: Tls | None, deadline: float) -> bytes:
    sock.settimeout(max(0.001, deadline - time.monotonic()))
    while True:
        if tls is None:
            return _read(sock)
        try:
            return tls.session.read(_READ_SIZE)
        except ssl.SSLWantReadError:
            tls.incoming.write(_read(sock))


def _read(sock: socket.socket) -> bytes:
    data = sock.recv(_READ_SIZE)
    if not data:
        raise ConnectionError("the API server closed the connection during the handshake")
    return data


def _write(sock: socket.socket, tls: Tls | None, data: bytes) -> None:
    if tls is not None:
        tls.session.write(data)
        data = tls.outgoing.read()
    sock.sendall(data)
