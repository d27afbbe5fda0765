"""The forward: bytes pass both ways, ends pass on, and a server that is away is a closed connection."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from collections.abc import Iterator

import pytest

from mldeploy.cluster import forward


def listening() -> socket.socket:
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    made.listen()
    return made


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with listening() as made:
        made.settimeout(10)
        yield made


@pytest.fixture
def client(server: socket.socket) -> Iterator[socket.socket]:
    with listening() as front:
        threading.Thread(target=lambda: forward.serve(front.accept()[0], server.getsockname()), daemon=True).start()
        with socket.create_connection(front.getsockname(), timeout=10) as made:
            yield made


def test_a_half_closed_connection_still_answers(client: socket.socket, server: socket.socket) -> None:
    client.sendall(b"question")
    client.shutdown(socket.SHUT_WR)
    behind, _ = server.accept()
    with behind:
        assert behind.makefile("rb").read() == b"question"
        behind.sendall(b"answer")
    assert client.makefile("rb").read() == b"answer"


def test_megabytes_arrive_as_they_were_sent(client: socket.socket, server: socket.socket) -> None:
    sent = os.urandom(8_000_000)

    def answer() -> None:
        behind, _ = server.accept()
        with behind:
            behind.sendall(sent)

    threading.Thread(target=answer, daemon=True).start()
    assert hashlib.sha256(client.makefile("rb").read()).digest() == hashlib.sha256(sent).digest()


def test_small_messages_are_not_held_back(client: socket.socket, server: socket.socket) -> None:
    behind, _ = server.accept()
    with behind:
        for number in range(50):
            client.sendall(bytes([number]))
            assert behind.recv(1) == bytes([number])
            behind.sendall(bytes([number]))
            assert client.recv(1) == bytes([number])


def test_a_server_that_is_away_closes_the_connection() -> None:
    with listening() as gone:
        address = gone.getsockname()
    near, far = socket.socketpair()
    with near:
        forward.serve(far, address)
        assert near.recv(1) == b""


def test_a_client_that_vanishes_ends_the_servers_side(client: socket.socket, server: socket.socket) -> None:
    behind, _ = server.accept()
    with behind:
        client.close()
        assert behind.recv(1) == b""
