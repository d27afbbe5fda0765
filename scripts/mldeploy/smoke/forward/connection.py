"""A local connection and the lane (tunnel) that it is on: buffers, and which ends are still open."""

from __future__ import annotations

import socket
import struct
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

from mldeploy.smoke.forward.tunnel import Tunnel

_PIECES = 64  # handed over with one system call
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(eq=False)
class Lane:
    """A tunnel and the connections on it.

    Attributes:
        tunnel: to one pod.
        connections: by the number of the data stream.
        full: those whose clients leave too much unread: the tunnel is read no further meanwhile.
        held: the tunnel has too much to send: clients are read no further meanwhile.
        pinged: when, on the monotonic clock, the last ping was sent (or the lane began).
        unanswered: the number of the ping that waits for its answer.
        wanted: the events that the selector waits for.
    """

    tunnel: Tunnel
    connections: dict[int, Connection] = field(default_factory=dict)
    full: set[Connection] = field(default_factory=set)
    held: bool = False
    pinged: float = field(default_factory=time.monotonic)
    unanswered: int | None = None
    wanted: int = 0

    def fileno(self) -> int:
        """Give the descriptor to wait on."""
        return self.tunnel.fileno()


@dataclass(eq=False)
class Connection:
    """A client's connection to the forward, and its stream in a tunnel.

    Attributes:
        sock: the client's socket, non-blocking.
        lane: what carries it; None before there is one, and after the pod has sent all that it will.
        stream: the data stream's number; 0 while it waits for a tunnel.
        accepted: the server has answered the data stream, so bytes may be sent (it drops earlier ones).
        client_done: the client has sent all that it will.
        server_done: the pod has sent all that it will: what the client still sends is read, and goes nowhere.
        error: what the server wrote to the error stream.
        judged: the error stream has ended, so `error` is all that there is to say.
        expires: when, on the monotonic clock, a wait ends: for a tunnel, or for the client to close its end too.
        unsent: how many bytes wait until the client takes them.
        wanted: the events that the selector waits for.
    """

    sock: socket.socket
    lane: Lane | None = None
    stream: int = 0
    accepted: bool = False
    client_done: bool = False
    server_done: bool = False
    error: str = ""
    judged: bool = False
    expires: float = 0.0
    unsent: int = 0
    wanted: int = 0
    _pieces: deque[bytes] = field(default_factory=deque)

    def fileno(self) -> int:
        """Give the descriptor to wait on."""
        return self.sock.fileno()

    def deliver(self, payload: bytes) -> None:
        """Queue bytes for the client."""
        self._pieces.append(payload)
        self.unsent += len(payload)

    def flush(self) -> None:
        """Give the client what is queued, as far as it takes it now.

        Raises:
            OSError: the client has gone.
        """
        with suppress(BlockingIOError):
            while self._pieces:
                sent = self.sock.sendmsg(list(islice(self._pieces, _PIECES)))
                self.unsent -= sent
                while sent:
                    first = self._pieces.popleft()
                    if len(first) > sent:
                        self._pieces.appendleft(first[sent:])
                    sent -= min(sent, len(first))

    def abort(self) -> None:
        """Close with a reset, so that the client sees an error and not a regular end."""
        with suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.sock.close()
