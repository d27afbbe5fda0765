"""Connections through a port-forward, while pods come and go."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path

import pytest

from mldeploy.smoke import forward
from mldeploy.smoke.forward import clients, pump
from tests.fixtures.cluster_api import Cluster, Pod
from tests.unit.forwarding.support import DEADLINE_S, Events, answering, connect, exactly, greeting


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
        with forward(kubeconfig, "", "lab", "svc/web", 80, ready_timeout_s=4, on_event=events) as one:
            cluster.set_ready()
            events.wait_for("no longer ready")
            with connect(one.port) as sock, pytest.raises(ConnectionResetError):
                sock.recv(1)
            assert one.last_failure == "no ready pod within 4 s"


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
