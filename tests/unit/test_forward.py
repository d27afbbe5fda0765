"""The port-forward against faults that tests/fixtures/cluster_api.py makes; the rest is tested on a real cluster."""

from __future__ import annotations

import os
import queue
import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from mldeploy.errors import MldeployError
from mldeploy.smoke import NotReadyError, forward
from mldeploy.smoke.forward import clients, pump
from mldeploy.smoke.kube import ApiError
from tests.fixtures.cluster_api import Cluster, Pod, serve

DEADLINE_S = 20.0


class Events:
    """What a forward reports, to wait for."""

    def __init__(self) -> None:
        self._texts: queue.Queue[str] = queue.Queue()

    def __call__(self, text: str) -> None:
        self._texts.put(text)

    def wait_for(self, part: str) -> str:
        while True:
            text = self._texts.get(timeout=DEADLINE_S)
            if part in text:
                return text


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    threads = set(threading.enumerate())
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    yield
    assert set(threading.enumerate()) <= threads
    assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with serve() as running:
        yield running


@contextmanager
def answering(name: bytes) -> Iterator[tuple[str, int]]:
    """A pod's process: greets with its name, then sends back what it gets."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def echo(sock: socket.socket) -> None:
        with sock, suppress(ConnectionError):
            sock.sendall(name + b"\n")
            while data := sock.recv(65536):
                sock.sendall(data)

    def accept() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=echo, args=(sock,)))
            threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield listener.getsockname()
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in [acceptor, *threads]:
            thread.join(DEADLINE_S)


@pytest.fixture
def kubeconfig(cluster: Cluster, tmp_path: Path) -> Path:
    path = tmp_path / "kubeconfig"
    path.write_text(
        f"""apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: "http://127.0.0.1:{cluster.port}"}}}}]
users: [{{name: u, user: {{token: abc}}}}]
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
current-context: c
"""
    )
    return path


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), DEADLINE_S)


def greeting(port: int) -> bytes:
    with connect(port) as sock:
        return sock.makefile("rb").readline()


def exactly(sock: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length and (piece := sock.recv(length - len(data))):
        data += piece
    return data


def test_bytes_go_both_ways_on_many_connections_at_once(cluster: Cluster, kubeconfig: Path) -> None:
    with answering(b"one") as address:
        cluster.pods = {"one": Pod(address)}
        cluster.set_ready("one")
        with forward(kubeconfig, "", "lab", "svc/web", 80) as one:
            assert one.pod == "one"
            assert one.address == f"127.0.0.1:{one.port}"
            socks = [connect(one.port) for _ in range(30)]
            for number, sock in enumerate(socks):
                sock.sendall(str(number).encode() * 1000)
            for number, sock in enumerate(socks):
                expected = b"one\n" + str(number).encode() * 1000
                assert exactly(sock, len(expected)) == expected
                sock.close()
    assert sum("portforward" in path for path in cluster.requests) == 1  # one tunnel for all of them


def test_the_end_of_either_side_is_passed_on(cluster: Cluster, kubeconfig: Path) -> None:
    with answering(b"one") as address:
        cluster.pods = {"one": Pod(address)}
        cluster.set_ready("one")
        with forward(kubeconfig, "", "lab", "svc/web", 80) as one, connect(one.port) as sock:
            sock.sendall(b"last words")
            sock.shutdown(socket.SHUT_WR)
            assert sock.makefile("rb").read() == b"one\nlast words"


def test_new_connections_go_to_the_new_pod_and_old_ones_stay(cluster: Cluster, kubeconfig: Path) -> None:
    events = Events()
    with answering(b"one") as first, answering(b"two") as second:
        cluster.pods = {"one": Pod(first), "two": Pod(second)}
        cluster.set_ready("one")
        with forward(kubeconfig, "", "lab", "svc/web", 80, on_event=events) as one, connect(one.port) as old:
            assert old.recv(100) == b"one\n"
            cluster.set_ready("two")
            events.wait_for("reconnected to pod two")
            assert greeting(one.port) == b"two\n"
            old.sendall(b"still here")
            assert exactly(old, 10) == b"still here"


def test_a_connection_waits_while_no_pod_is_ready(cluster: Cluster, kubeconfig: Path) -> None:
    events = Events()
    with answering(b"one") as address:
        cluster.pods = {"one": Pod(address)}
        cluster.set_ready("one")
        with forward(kubeconfig, "", "lab", "svc/web", 80, on_event=events) as one:
            cluster.set_ready()
            assert events.wait_for("no longer ready") == "pod one is no longer ready; waiting for a ready one"
            with connect(one.port) as waiting:
                waiting.sendall(b"early")
                cluster.set_ready("one")
                assert exactly(waiting, 9) == b"one\nearly"


def test_a_connection_does_not_wait_for_ever(cluster: Cluster, kubeconfig: Path) -> None:
    events = Events()
    with answering(b"one") as address:
        cluster.pods = {"one": Pod(address)}
        cluster.set_ready("one")
        with forward(kubeconfig, "", "lab", "svc/web", 80, ready_timeout_s=1, on_event=events) as one:
            cluster.set_ready()
            events.wait_for("no longer ready")
            with connect(one.port) as sock, pytest.raises(ConnectionResetError):
                sock.recv(1)
            assert one.last_failure == "no ready pod within 1 s"


def test_the_api_servers_restart_is_survived(cluster: Cluster, kubeconfig: Path) -> None:
    events = Events()
    with answering(b"one") as address:
        cluster.pods = {"one": Pod(address)}
        cluster.set_ready("one")
        with forward(kubeconfig, "", "lab", "svc/web", 80, on_event=events) as one, connect(one.port) as sock:
            assert sock.recv(100) == b"one\n"
            cluster.drop_connections()
            events.wait_for("connection to pod one lost")
            with pytest.raises(ConnectionResetError):
                sock.recv(1)
            events.wait_for("reconnected to pod one")
            assert greeting(one.port) == b"one\n"


def test_a_watch_that_fell_behind_begins_again(cluster: Cluster, kubeconfig: Path) -> None:
    events = Events()
    with answering(b"one") as first, answering(b"two") as second:
        cluster.pods = {"one": Pod(first), "two": Pod(second)}
        cluster.set_ready("one")
        with forward(kubeconfig, "", "lab", "svc/web", 80, on_event=events) as one:
            with cluster.changed:
                cluster.expired = True
                cluster.ready = ("two",)
                cluster.changed.notify_all()
            events.wait_for("reconnected to pod two")
            assert greeting(one.port) == b"two\n"


def test_a_tunnel_that_breaks_in_the_middle_resets_its_connections(cluster: Cluster, kubeconfig: Path) -> None:
    with answering(b"one") as address:
        cluster.pods = {"one": Pod(address, cut_at=50_000)}
        cluster.set_ready("one")
        with forward(kubeconfig, "", "lab", "svc/web", 80) as one, connect(one.port) as sock:
            sock.sendall(b"x" * 100_000)
            with pytest.raises(ConnectionResetError):
                exactly(sock, 100_000)
            assert "the tunnel to pod one was lost" in one.last_failure


def test_a_node_that_ends_its_streams_is_left(cluster: Cluster, kubeconfig: Path) -> None:
    events = Events()
    with answering(b"one") as address:
        cluster.pods = {"one": Pod(address, goes_away=True)}
        cluster.set_ready("one")
        with forward(kubeconfig, "", "lab", "svc/web", 80, on_event=events) as one:
            with connect(one.port) as sock, pytest.raises(ConnectionResetError):
                sock.recv(1)
            events.wait_for("lost (the node ends its streams)")
            cluster.pods["one"] = Pod(address)
            events.wait_for("reconnected")
            assert greeting(one.port) == b"one\n"


def test_a_tunnel_without_answers_is_given_up(
    cluster: Cluster, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump, "_PING_EVERY_S", 0.05)
    monkeypatch.setattr(pump, "_PING_ANSWER_S", 0.2)
    events = Events()
    cluster.pods = {"one": Pod(silent=True)}
    cluster.set_ready("one")
    with forward(kubeconfig, "", "lab", "svc/web", 80, on_event=events) as one, connect(one.port) as sock:
        events.wait_for("lost (no answer for 0.2 s)")
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_nothing_listening_in_the_pod_is_said(cluster: Cluster, kubeconfig: Path) -> None:
    with answering(b"gone") as address:
        pass
    cluster.pods = {"one": Pod(address)}
    cluster.set_ready("one")
    with forward(kubeconfig, "", "lab", "svc/web", 80) as one:
        with connect(one.port) as sock, pytest.raises(ConnectionResetError):
            sock.recv(1)
        assert "pod one" in one.last_failure
        assert "refused" in one.last_failure.lower()


def fill(sock: socket.socket) -> int:
    """Send until nothing more is taken; how much was."""
    sent = 0
    with suppress(TimeoutError):
        while sent < 1 << 30:
            sent += sock.send(b"y" * 65536)
    assert sent < 1 << 30
    return sent


def test_a_client_that_does_not_read_holds_back_what_is_sent(
    cluster: Cluster, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "_DOWNLOAD_LIMIT", 1 << 16)
    monkeypatch.setattr(pump, "_UPLOAD_LIMIT", 1 << 16)
    with answering(b"one") as address:
        cluster.pods = {"one": Pod(address)}
        cluster.set_ready("one")
        with forward(kubeconfig, "", "lab", "svc/web", 80) as one, connect(one.port) as sock:
            sock.settimeout(1)
            sent = fill(sock)
            sock.settimeout(DEADLINE_S)
            assert exactly(sock, 4 + sent) == b"one\n" + b"y" * sent


def test_running_out_of_descriptors_is_survived(cluster: Cluster, kubeconfig: Path) -> None:
    events = Events()
    with answering(b"one") as address:
        cluster.pods = {"one": Pod(address)}
        cluster.set_ready("one")
        with forward(kubeconfig, "", "lab", "svc/web", 80, on_event=events) as one, socket.socket() as sock:
            limits = resource.getrlimit(resource.RLIMIT_NOFILE)
            lowest_free = os.dup(sock.fileno())
            os.close(lowest_free)
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, limits[1]))
            try:
                sock.settimeout(DEADLINE_S)
                sock.connect(("127.0.0.1", one.port))
                events.wait_for("a connection cannot be taken: Too many open files")
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            assert sock.recv(100) == b"one\n"


@pytest.mark.parametrize(
    ("target", "port", "message"),
    [
        ("svc/nope", 80, "there is no Service nope in namespace lab (there are: web)"),
        ("svc/web", 81, "Service lab/web has no port 81; its ports: 80 (http)"),
        ("deployment/web", 80, "deployment/web: not a Service"),
    ],
)
def test_a_wrong_target_is_said(kubeconfig: Path, target: str, port: int, message: str) -> None:
    with pytest.raises(MldeployError) as caught, forward(kubeconfig, "", "lab", target, port):
        pass
    assert caught.value.message == message


def test_pods_that_are_not_ready_are_named_with_the_reason(cluster: Cluster, kubeconfig: Path) -> None:
    cluster.pods = {"one": Pod(), "two": Pod()}
    with pytest.raises(NotReadyError) as caught, forward(kubeconfig, "", "lab", "svc/web", 80, ready_timeout_s=0.2):
        pass
    assert caught.value.message == (
        "Service lab/web has no ready pod within 0.2 s: "
        "pod one is not ready: the probe fails; pod two is not ready: the probe fails"
    )


@pytest.mark.parametrize("path", ["/services/web", "/pods", "/portforward"])
def test_a_refusal_is_reported_at_once_and_in_the_servers_words(cluster: Cluster, kubeconfig: Path, path: str) -> None:
    cluster.pods = {"one": Pod()}
    cluster.set_ready("one")
    cluster.errors[path] = (403, 'pods "one" is forbidden: User "u" cannot create resource "pods/portforward"')
    with pytest.raises(ApiError, match="is forbidden") as caught, forward(kubeconfig, "", "lab", "svc/web", 80):
        pass
    assert caught.value.status == 403
    assert "ask for a Role" in caught.value.remedy


def test_a_server_that_is_away_is_said(kubeconfig: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    away = tmp_path / "away"
    away.write_text(kubeconfig.read_text("utf-8").replace("http://127.0.0.1:", f"http://127.0.0.1:{port}#"), "utf-8")
    with pytest.raises(ApiError, match="the API server does not answer"), forward(away, "", "lab", "svc/web", 80):
        pass


def test_a_taken_port_is_said(cluster: Cluster, kubeconfig: Path) -> None:
    cluster.pods = {"one": Pod()}
    cluster.set_ready("one")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with (
            pytest.raises(MldeployError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"),
            forward(kubeconfig, "", "lab", "svc/web", 80, local_port=port),
        ):
            pass


def test_a_kubeconfig_that_cannot_be_used_is_said(kubeconfig: Path, tmp_path: Path) -> None:
    for path, context in ((tmp_path / "missing", ""), (kubeconfig, "other")):
        with pytest.raises(MldeployError, match="kubeconfig"), forward(path, context, "lab", "svc/web", 80):
            pass
