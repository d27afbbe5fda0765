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
from mldeploy.smoke.forward.clients import Clients
from mldeploy.smoke.forward.connection import Connection, Lane
from mldeploy.smoke.forward.tunnel import Tunnel
from mldeploy.smoke.forward.wire import TunnelLostError

_UPLOAD_LIMIT = 1 << 20  # bytes queued on a tunnel, from which its clients are read no further
_PING_EVERY_S = 5.0
_PING_ANSWER_S = 10.0
_ACCEPT_AGAIN_S = 0.5


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
        self._on_lost = on_lost
        self._on_failure = on_failure
        self._selector = DefaultSelector()
        self._wake_in, self._wake_out = socket.socketpair()
        self._orders: deque[Callable[[], None]] = deque()
        self._lanes: dict[Tunnel, Lane] = {}
        self._current: Lane | None = None
        self._clients = Clients(self._want, hold_s=hold_s, on_failure=on_failure)
        self._accepts_again = math.inf
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
            next_end = math.inf
            while not self._closing:
                pause_s = max(0.0, min(_PING_EVERY_S, next_end - time.monotonic()))
                for key, mask in self._selector.select(pause_s):
                    key.data(mask)
                while self._orders:
                    self._orders.popleft()()
                for lane in list(self._lanes.values()):
                    self._tend(lane)
                next_end = min(self._clients.expire(), self._resume())
        finally:
            self._release()

    def _release(self) -> None:
        self._clients.abort()
        for lane in self._lanes.values():
            for connection in lane.connections.values():
                connection.abort()
            lane.tunnel.close()
        self._selector.close()
        for sock in (self._listener, self._wake_in, self._wake_out):
            sock.close()

    def _want(self, thing: Connection | Lane, events: int, handler: Callable[[int], None]) -> None:
        if events == thing.wanted:
            return
        if not events:
            self._selector.unregister(thing)
        elif not thing.wanted:
            self._selector.register(thing, events, handler)
        else:
            self._selector.modify(thing, events, handler)
        thing.wanted = events

    # Tunnels

    def _attach(self, tunnel: Tunnel | None) -> None:
        self._current = None if tunnel is None else Lane(tunnel)
        if self._current is None:
            return
        self._lanes[self._current.tunnel] = self._current
        self._clients.move_waiting(self._current)

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
                self._clients.watch(connection)
        events = (0 if lane.full else EVENT_READ) | (EVENT_WRITE if lane.tunnel.queued else 0)
        self._want(lane, events, partial(self._on_tunnel, lane))

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
                case spdy.Ping(number) if number % 2 == 0:
                    lane.tunnel.answer(number)
                case spdy.Ping():
                    lane.unanswered = None
                case spdy.GoAway():
                    raise TunnelLostError("the node ends its streams")
                case _:
                    self._clients.on_frame(lane, frame)
        self._clients.serve()

    def _lose(self, lane: Lane, how: str) -> None:
        self._clients.lose(lane, how)
        self._drop(lane)
        self._on_lost(lane.tunnel, how)

    def _drop(self, lane: Lane) -> None:
        if lane is self._current:
            self._current = None
        self._want(lane, 0, self._woken)
        del self._lanes[lane.tunnel]
        lane.tunnel.close()

    # New connections

    def _accept(self, _mask: int) -> None:
        if self._orders:
            # Ordered before this connection came: it may not go where new ones must no longer go. It stays readable.
            return
        try:
            while True:
                sock, _ = self._listener.accept()
                self._clients.add(sock, self._current)
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            # No descriptor is left for it: let it wait where it is, and look again when some may have been closed.
            self._on_failure(f"a connection cannot be taken: {error.strerror}")
            self._selector.unregister(self._listener)
            self._accepts_again = time.monotonic() + _ACCEPT_AGAIN_S

    def _resume(self) -> float:
        if self._accepts_again <= time.monotonic():
            self._accepts_again = math.inf
            self._selector.register(self._listener, EVENT_READ, self._accept)
        return self._accepts_again
