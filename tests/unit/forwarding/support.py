"""A pod's process, and clients of a port-forward."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

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
