"""The forward's process: accepts on a socket of the host's network, connects inside the cluster's.

Started by the keeper through nsenter, in the cluster's network namespace: a socket stays in the namespace where it was
made, so the inherited listener is still the host's. Each direction of each connection is a thread that copies: no
protocol is looked at, so watches, exec and port-forward pass as they are. It outlives the keeper only to clean up.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from contextlib import suppress

from mldeploy.cluster import cgroups
from mldeploy.cluster.layout import API_PORT

_CHUNK_BYTES = 256 * 1024
_STACK_BYTES = 256 * 1024
_CONNECT_S = 5.0


def copy(source: socket.socket, target: socket.socket) -> None:
    """Copy one direction until its end, then tell the other side that nothing more will come."""
    buffer = bytearray(_CHUNK_BYTES)
    view = memoryview(buffer)
    # A reset on either side ends the pair: the other direction sees it as well.
    with suppress(OSError):
        while count := source.recv_into(buffer):
            target.sendall(view[:count])
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def serve(client: socket.socket, address: tuple[str, int]) -> None:
    """Carry one connection to its end."""
    with client:
        try:
            server = socket.create_connection(address, timeout=_CONNECT_S)
        except OSError:
            # Not there yet, or being restarted: the client sees a closed connection, as from the API server itself.
            return
        with server:
            server.settimeout(None)
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            answers = threading.Thread(target=copy, args=(server, client), daemon=True)
            answers.start()
            copy(client, server)
            answers.join()


def accept(listener: socket.socket, address: tuple[str, int]) -> None:
    """Serve connections until the process ends."""
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            # Out of descriptors for a moment, or a client that has gone already: the next one may fare better.
            continue
        threading.Thread(target=serve, args=(client, address), daemon=True).start()


def main(argv: list[str]) -> None:
    """Forward until the keeper ends; then, if it was killed, remove what it could not.

    Args:
        argv: the listener's descriptor, a pipe's that closes when the keeper ends, one of the cluster's first process
            (pidfd), and the cluster's cgroup ("" for none).
    """
    listen_fd, keeper_fd, first_fd = (int(word) for word in argv[:3])
    listener = socket.socket(fileno=listen_fd)
    listener.setblocking(True)
    threading.stack_size(_STACK_BYTES)
    threading.Thread(target=accept, args=(listener, ("127.0.0.1", API_PORT)), daemon=True).start()
    # Nothing is ever written to the pipe: reading ends when the keeper does.
    os.read(keeper_fd, 1)
    if cgroup := argv[3]:
        cgroups.wait_for_end(first_fd)
        cgroups.remove(cgroup)


if __name__ == "__main__":
    main(sys.argv[1:])
