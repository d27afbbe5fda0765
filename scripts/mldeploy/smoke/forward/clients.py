"""The clients of a forward: takes their bytes to the tunnel, gives them what comes back, and ends them properly."""

from __future__ import annotations

import math
import socket
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ, EVENT_WRITE

from mldeploy.smoke.forward import spdy
from mldeploy.smoke.forward.connection import Connection, Lane
from mldeploy.smoke.forward.tunnel import Tunnel

_READ_SIZE = 1 << 17
_DOWNLOAD_LIMIT = 4 << 20  # bytes that one client leaves unread, from which its tunnel is read no further
_LINGER_S = 5.0

Want = Callable[[Connection, int, Callable[[int], None]], None]


class Clients:
    """All client connections; used by the pump, in its thread.

    Args:
        want: tells the selector for which events a connection's handler is to be called; 0 for none.
        hold_s: how long a connection waits for a tunnel, in seconds.
        on_failure: called with a connection's failure, in words.
    """

    def __init__(self, want: Want, *, hold_s: float, on_failure: Callable[[str], None]) -> None:
        self._want = want
        self._hold_s = hold_s
        self._on_failure = on_failure
        self._waiting: deque[Connection] = deque()
        self._lingering: set[Connection] = set()  # without a tunnel, until the client has taken all
        self._fed: set[Connection] = set()  # those that got bytes in this round: written to once, at its end

    def add(self, sock: socket.socket, lane: Lane | None) -> None:
        """Take a new connection; without a lane it waits for one."""
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(sock)
        if lane is None:
            connection.expires = time.monotonic() + self._hold_s
            self._waiting.append(connection)
        else:
            self._open(connection, lane)

    def move_waiting(self, lane: Lane) -> None:
        """Let the connections that wait use a lane."""
        while self._waiting:
            self._open(self._waiting.popleft(), lane)

    def watch(self, connection: Connection) -> None:
        """Wait for what can be done with a connection now."""
        lane = connection.lane
        sending = connection.server_done or (connection.accepted and lane is not None and not lane.held)
        events = EVENT_READ if sending and not connection.client_done else 0
        events |= EVENT_WRITE if connection.unsent else 0
        self._want(connection, events, partial(self._on_client, connection))

    def on_frame(self, lane: Lane, frame: spdy.Reply | spdy.Data | spdy.Reset) -> None:
        """Handle what a tunnel brought; `serve` is due afterwards."""
        # A connection's error stream is the one two before its data stream.
        connection = lane.connections.get(frame.stream) or lane.connections.get(frame.stream + 2)
        if connection is None:
            return
        is_error = connection.stream != frame.stream
        match frame:
            case spdy.Data() if is_error:
                connection.error += frame.payload.decode("utf-8", "replace")
                if frame.fin:
                    self._judge(connection)
            case spdy.Data():
                self._on_data(connection, frame)
            case spdy.Reset() if is_error:
                self._judge(connection)
            case spdy.Reset():
                self._fail(connection)
            case spdy.Reply() if not is_error:
                connection.accepted = True
                self._read(connection)

    def serve(self) -> None:
        """Give the clients what has come for them."""
        while self._fed:
            self._write(self._fed.pop())

    def lose(self, lane: Lane, how: str) -> None:
        """End a lane's connections; those that have all that they will get go on without it."""
        for connection in list(lane.connections.values()):
            if connection.server_done:
                self._settle(connection)
            else:
                self._fail(connection, f"the tunnel to pod {lane.tunnel.pod} was lost: {how}")
        self.serve()

    def expire(self) -> float:
        """End what has waited too long; gives when, on the monotonic clock, the next one has."""
        if not self._waiting and not self._lingering:
            return math.inf
        now = time.monotonic()
        while self._waiting and self._waiting[0].expires <= now:
            self._fail(self._waiting.popleft(), f"no ready pod within {self._hold_s:g} s")
        for connection in [one for one in self._lingering if one.expires <= now]:
            self._end(connection)
        ends = [connection.expires for connection in [*self._lingering, *list(self._waiting)[:1]]]
        return min(ends, default=math.inf)

    def abort(self) -> None:
        """End the connections that no lane has."""
        for connection in [*self._waiting, *self._lingering]:
            connection.abort()

    def _open(self, connection: Connection, lane: Lane) -> None:
        connection.lane = lane
        connection.stream = lane.tunnel.open_pair()
        lane.connections[connection.stream] = connection

    def _on_client(self, connection: Connection, mask: int) -> None:
        # What happened to others in this round may have ended it.
        if mask & EVENT_READ and connection.fileno() >= 0:
            self._read(connection)
        if mask & EVENT_WRITE and connection.fileno() >= 0:
            self._write(connection)

    def _read(self, connection: Connection) -> None:
        try:
            payload = connection.sock.recv(_READ_SIZE)
        except BlockingIOError:
            self.watch(connection)
            return
        except OSError:
            self._end(connection)
            return
        connection.client_done = not payload
        if connection.lane is not None:
            connection.lane.tunnel.send(connection.stream, payload, fin=connection.client_done)
        elif connection.client_done and not connection.unsent:
            self._end(connection)
            return
        self.watch(connection)

    def _on_data(self, connection: Connection, frame: spdy.Data) -> None:
        if frame.payload:
            connection.deliver(frame.payload)
            self._fed.add(connection)
        if frame.fin:
            connection.server_done = True
            # The error stream ends after this one, and says whether this was the regular end.
            if connection.judged:
                self._settle(connection)

    def _judge(self, connection: Connection) -> None:
        connection.judged = True
        if connection.error:
            self._fail(connection)
        elif connection.server_done:
            self._settle(connection)

    def _settle(self, connection: Connection) -> None:
        """Let go of the tunnel: all that is left is to give the client what it has not taken yet."""
        self._leave(connection)
        connection.expires = math.inf
        self._lingering.add(connection)
        self._fed.add(connection)

    def _write(self, connection: Connection) -> None:
        try:
            connection.flush()
        except OSError:
            self._end(connection)
            return
        if connection.lane is not None:
            if connection.unsent >= _DOWNLOAD_LIMIT:
                connection.lane.full.add(connection)
            elif not connection.unsent:
                connection.lane.full.discard(connection)
        elif not connection.unsent:
            if connection.client_done:
                self._end(connection)
                return
            # Closing now would reset the connection if the client is still sending, and lose it the answer.
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_WR)
            connection.expires = time.monotonic() + _LINGER_S
        self.watch(connection)

    def _leave(self, connection: Connection) -> None:
        lane, connection.lane = connection.lane, None
        if lane is not None:
            lane.tunnel.reset_pair(connection.stream)
            del lane.connections[connection.stream]
            lane.full.discard(connection)

    def _forget(self, connection: Connection) -> None:
        self._leave(connection)
        self._fed.discard(connection)
        self._lingering.discard(connection)
        self._want(connection, 0, partial(self._on_client, connection))

    def _end(self, connection: Connection) -> None:
        self._forget(connection)
        connection.sock.close()

    def _fail(self, connection: Connection, why: str = "") -> None:
        if connection.lane is not None and not why:
            why = _in_words(connection.lane.tunnel, connection.error)
        self._on_failure(why)
        self._forget(connection)
        connection.abort()


def _in_words(tunnel: Tunnel, error: str) -> str:
    if "connection refused" in error:
        return f"nothing listens on port {tunnel.port} in pod {tunnel.pod} (connection refused)"
    return f"pod {tunnel.pod}: {' '.join(error.split()) or 'the connection was reset'}"
