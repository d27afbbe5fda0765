"""Moves bytes between local connections and tunnels: one thread, one selector, nothing in it blocks.

A connection belongs to the tunnel that was current when it was accepted, and ends with it. While there is no tunnel,
new connections wait: when a pod is replaced, a client sees a pause and not an error.
"""

from __future__ import annotations

import math
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector

from mldeploy.smoke.forward import spdy
from mldeploy.smoke.forward.connection import Connection, Lane
from mldeploy.smoke.forward.tunnel import Tunnel
from mldeploy.smoke.forward.wire import TunnelLostError

_READ_SIZE = 1 << 17
_UPLOAD_LIMIT = 1 << 20  # bytes queued on a tunnel, from which its clients are read no further
_DOWNLOAD_LIMIT = 4 << 20  # bytes that one client leaves unread, from which its tunnel is read no further
_PING_EVERY_S = 5.0
_PING_ANSWER_S = 10.0
_LINGER_S = 5.0


class Pump:
    """The forward's data path.

    Args:
        listener: bound and listening; the pump owns it from here on.
        hold_s: how long a connection waits for a tunnel, in seconds.
        on_lost: called (in the pump's thread) with a tunnel that ended by itself, and how.
        on_failure: called (in the pump's thread) with a connection's failure, in words.
    """

    def __init__(
        self,
        listener: socket.socket,
        *,
        hold_s: float,
        on_lost: Callable[[Tunnel, str], None],
        on_failure: Callable[[str], None],
    ) -> None:
        self._listener = listener
        self._hold_s = hold_s
        self._on_lost = on_lost
        self._on_failure = on_failure
        self._selector = DefaultSelector()
        self._wake_in, self._wake_out = socket.socketpair()
        self._orders: deque[Callable[[], None]] = deque()
        self._lanes: dict[Tunnel, Lane] = {}
        self._current: Lane | None = None
        self._waiting: deque[Connection] = deque()
        self._lingering: set[Connection] = set()
        self._fed: set[Connection] = set()  # those that got bytes in this round: written to once, at its end
        self._closing = False
        for sock in (listener, self._wake_in, self._wake_out):
            sock.setblocking(False)
        self._selector.register(listener, EVENT_READ, self._accept)
        self._selector.register(self._wake_in, EVENT_READ, self._woken)
        self._thread = threading.Thread(target=self._run, name="forward-pump")

    def start(self) -> None:
        """Begin to accept connections."""
        self._thread.start()

    def attach(self, tunnel: Tunnel) -> None:
        """Use `tunnel` for new connections from now on, waiting ones first; any thread may call this."""
        self._order(partial(self._attach, tunnel))

    def detach(self) -> None:
        """Let new connections wait; the open ones go on. Any thread may call this."""
        self._order(partial(self._attach, None))

    def close(self) -> None:
        """End every connection and tunnel, and the thread; another thread calls this."""
        self._closing = True
        self._wake()
        if self._thread.ident is not None:
            self._thread.join()
        else:
            self._release()

    def _order(self, order: Callable[[], None]) -> None:
        self._orders.append(order)
        self._wake()

    def _wake(self) -> None:
        with suppress(BlockingIOError, OSError):  # full: it will wake anyway; closed: it has ended
            self._wake_out.send(b"\0")

    def _woken(self, _mask: int) -> None:
        with suppress(BlockingIOError):
            self._wake_in.recv(4096)

    def _run(self) -> None:
        try:
            while not self._closing:
                for key, mask in self._selector.select(self._pause()):
                    key.data(mask)
                while self._orders:
                    self._orders.popleft()()
                for lane in list(self._lanes.values()):
                    self._tend(lane)
                self._expire()
        finally:
            self._release()

    def _pause(self) -> float:
        """How long to wait for events at most: until the next connection expires, or a ping is due."""
        ends = [connection.expires for connection in self._lingering]
        if self._waiting:
            ends.append(self._waiting[0].expires)
        return max(0.0, min([_PING_EVERY_S, *(end - time.monotonic() for end in ends)]))

    def _release(self) -> None:
        for connection in [*self._waiting, *self._lingering]:
            connection.abort()
        for lane in self._lanes.values():
            for connection in lane.connections.values():
                connection.abort()
            lane.tunnel.close()
        self._selector.close()
        for sock in (self._listener, self._wake_in, self._wake_out):
            sock.close()

    def _want(self, thing: Connection | Tunnel, events: int, handler: Callable[[int], None]) -> None:
        known = self._selector.get_map().get(thing)
        if known is None:
            if events:
                self._selector.register(thing, events, handler)
        elif not events:
            self._selector.unregister(thing)
        elif known.events != events:
            self._selector.modify(thing, events, handler)

    # Tunnels

    def _attach(self, tunnel: Tunnel | None) -> None:
        self._current = None if tunnel is None else Lane(tunnel)
        if self._current is None:
            return
        self._lanes[self._current.tunnel] = self._current
        while self._waiting:
            self._open(self._waiting.popleft(), self._current)

    def _tend(self, lane: Lane) -> None:
        """Give a lane its turn: ping, send, and end it when nobody needs it."""
        try:
            self._ping(lane)
            if lane.tunnel.queued:
                lane.tunnel.flush()
        except TunnelLostError as error:
            self._lose(lane, str(error))
            return
        if lane is not self._current and not lane.connections:
            self._drop(lane)
            return
        held = lane.tunnel.queued >= _UPLOAD_LIMIT or (lane.held and lane.tunnel.queued > _UPLOAD_LIMIT // 4)
        if held != lane.held:
            lane.held = held
            for connection in lane.connections.values():
                self._watch(connection)
        events = (0 if lane.full else EVENT_READ) | (EVENT_WRITE if lane.tunnel.queued else 0)
        self._want(lane.tunnel, events, partial(self._on_tunnel, lane))

    def _on_tunnel(self, lane: Lane, mask: int) -> None:
        if mask & EVENT_READ and lane.tunnel in self._lanes:
            try:
                self._dispatch(lane)
            except TunnelLostError as error:
                self._lose(lane, str(error))

    def _ping(self, lane: Lane) -> None:
        now = time.monotonic()
        if lane.full:
            lane.pinged = now  # its answer cannot be read now
        elif lane.unanswered is not None:
            if now - lane.pinged > _PING_ANSWER_S:
                raise TunnelLostError(f"no answer for {_PING_ANSWER_S:g} s")
        elif now - lane.pinged > _PING_EVERY_S:
            lane.pinged, lane.unanswered = now, lane.tunnel.ping()

    def _dispatch(self, lane: Lane) -> None:
        for frame in lane.tunnel.receive():
            match frame:
                case spdy.Data():
                    self._on_data(lane, frame)
                case spdy.Reply(stream) if stream in lane.connections:
                    lane.connections[stream].accepted = True
                    self._read(lane.connections[stream])
                case spdy.Reset(stream) if stream in lane.connections:
                    self._fail(lane.connections[stream])
                case spdy.Reset(stream) if stream + 2 in lane.connections:
                    self._judge(lane.connections[stream + 2])
                case spdy.Ping(number) if number % 2 == 0:
                    lane.tunnel.answer(number)
                case spdy.Ping(number) if number == lane.unanswered:
                    lane.unanswered = None
                case spdy.GoAway():
                    raise TunnelLostError("the node ends its streams")
        self._serve()

    def _serve(self) -> None:
        while self._fed:
            self._write(self._fed.pop())

    def _lose(self, lane: Lane, how: str) -> None:
        for connection in list(lane.connections.values()):
            if connection.server_done:
                self._settle(connection)
            else:
                self._fail(connection, f"the tunnel to pod {lane.tunnel.pod} was lost: {how}")
        self._serve()
        self._drop(lane)
        self._on_lost(lane.tunnel, how)

    def _drop(self, lane: Lane) -> None:
        if lane is self._current:
            self._current = None
        self._want(lane.tunnel, 0, self._woken)
        del self._lanes[lane.tunnel]
        lane.tunnel.close()

    # Connections

    def _accept(self, _mask: int) -> None:
        with suppress(BlockingIOError, ConnectionAbortedError):
            while True:
                sock, _ = self._listener.accept()
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection = Connection(sock)
                if self._current is None:
                    connection.expires = time.monotonic() + self._hold_s
                    self._waiting.append(connection)
                else:
                    self._open(connection, self._current)

    def _open(self, connection: Connection, lane: Lane) -> None:
        connection.lane = lane
        connection.stream = lane.tunnel.open_pair()
        lane.connections[connection.stream] = connection

    def _watch(self, connection: Connection) -> None:
        lane = connection.lane
        sending = connection.server_done or (connection.accepted and lane is not None and not lane.held)
        events = EVENT_READ if sending and not connection.client_done else 0
        events |= EVENT_WRITE if connection.unsent else 0
        self._want(connection, events, partial(self._on_client, connection))

    def _on_client(self, connection: Connection, mask: int) -> None:
        if mask & EVENT_READ:
            self._read(connection)
        if mask & EVENT_WRITE and connection.fileno() >= 0:
            self._write(connection)

    def _read(self, connection: Connection) -> None:
        try:
            payload = connection.sock.recv(_READ_SIZE)
        except BlockingIOError:
            self._watch(connection)
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
        self._watch(connection)

    def _on_data(self, lane: Lane, frame: spdy.Data) -> None:
        connection = lane.connections.get(frame.stream)
        if connection is not None:
            if frame.payload:
                connection.deliver(frame.payload)
                self._fed.add(connection)
            if frame.fin:
                connection.server_done = True
                # The error stream ends after this one, and says whether this was the regular end.
                if connection.judged:
                    self._settle(connection)
        elif frame.stream + 2 in lane.connections:
            connection = lane.connections[frame.stream + 2]
            connection.error += frame.payload.decode("utf-8", "replace")
            if frame.fin:
                self._judge(connection)

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
        self._watch(connection)

    def _leave(self, connection: Connection) -> None:
        lane, connection.lane = connection.lane, None
        if lane is not None:
            lane.tunnel.reset_pair(connection.stream)
            del lane.connections[connection.stream]
            lane.full.discard(connection)

    def _end(self, connection: Connection) -> None:
        self._leave(connection)
        self._fed.discard(connection)
        self._lingering.discard(connection)
        self._want(connection, 0, self._woken)
        connection.sock.close()

    def _fail(self, connection: Connection, why: str = "") -> None:
        if connection.lane is not None and not why:
            why = _in_words(connection.lane.tunnel, connection.error)
        self._on_failure(why)
        self._fed.discard(connection)
        self._leave(connection)
        self._want(connection, 0, self._woken)
        connection.abort()

    def _expire(self) -> None:
        now = time.monotonic()
        while self._waiting and self._waiting[0].expires <= now:
            self._fail(self._waiting.popleft(), f"no ready pod within {self._hold_s:g} s")
        for connection in [one for one in self._lingering if one.expires <= now]:
            self._end(connection)


def _in_words(tunnel: Tunnel, error: str) -> str:
    if "connection refused" in error:
        return f"nothing listens on port {tunnel.port} in pod {tunnel.pod} (connection refused)"
    return f"pod {tunnel.pod}: {' '.join(error.split()) or 'the connection was reset'}"
