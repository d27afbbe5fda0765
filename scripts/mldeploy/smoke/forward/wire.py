"""A WebSocket as a stream of bytes, over TLS, without blocking: what a tunnel is sent through.

TLS works on memory and not on the socket: one system call then fetches many records, where an SSL socket makes two for
each. The socket and the TLS state belong to one thread.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

from websockets.frames import Close, Frame, Opcode

_READ_SIZE = 1 << 18
_CLOSE_NORMAL = 1000


class TunnelLostError(Exception):
    """The connection to the API server ended; the text says how."""


@dataclass(frozen=True)
class Tls:
    """TLS on memory: what is read goes into `incoming`, what is to be sent comes out of `outgoing`."""

    session: ssl.SSLObject
    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO


@dataclass
class Wire:
    """An open WebSocket.

    Attributes:
        sock: the connection, non-blocking from here on.
        tls: its encryption; None for a server of plain HTTP (a local proxy).
        rest: bytes that arrived behind the handshake.
        queued: how many bytes wait to be sent.
    """

    sock: socket.socket
    tls: Tls | None
    rest: bytes
    queued: int = 0
    _pending: deque[bytes] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.sock.setblocking(False)

    def receive(self) -> bytes:
        """Read what is there, up to a share of it, and give the messages' payload as one piece.

        Raises:
            TunnelLostError: the connection has ended.
        """
        try:
            data = self.sock.recv(_READ_SIZE)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise TunnelLostError(error.strerror or str(error)) from error
        if not data:
            raise TunnelLostError("the API server closed the connection")
        if self.tls is not None:
            data = _decrypt(self.tls, data)
        return self._unframe(self.rest + data if self.rest else data)

    def send(self, payload: bytes, opcode: Opcode = Opcode.BINARY) -> None:
        """Queue bytes."""
        data = Frame(opcode, payload).serialize(mask=True)
        if self.tls is not None:
            self.tls.session.write(data)
            data = self.tls.outgoing.read()
        self._pending.append(data)
        self.queued += len(data)

    def flush(self) -> None:
        """Send what is queued, as far as the connection takes it now.

        Raises:
            TunnelLostError: the connection has ended.
        """
        try:
            while self._pending:
                sent = self.sock.send(self._pending[0])
                self.queued -= sent
                if sent == len(self._pending[0]):
                    self._pending.popleft()
                else:
                    self._pending[0] = self._pending[0][sent:]
        except BlockingIOError:
            return
        except OSError as error:
            raise TunnelLostError(error.strerror or str(error)) from error

    def close(self) -> None:
        """Say goodbye, if the connection takes that at once, and close it."""
        with suppress(TunnelLostError, ssl.SSLError):
            self.send(Close(_CLOSE_NORMAL, "").serialize(), Opcode.CLOSE)
            self.flush()
        self.sock.close()

    def _unframe(self, data: bytes) -> bytes:
        """Take frames apart; a server's are not masked. Pings are answered here."""
        pieces = []
        at = 0
        while len(data) - at >= 2:
            head, length = data[at], data[at + 1]
            begin = at + 2
            if length == 126:
                begin += 2
                length = struct.unpack_from(">H", data, at + 2)[0] if len(data) >= begin else 0
            elif length == 127:
                begin += 8
                length = struct.unpack_from(">Q", data, at + 2)[0] if len(data) >= begin else 0
            if len(data) < begin + length:
                break
            payload = data[begin : begin + length]
            at = begin + length
            opcode = head & 0x0F
            if opcode in {Opcode.BINARY, Opcode.CONT}:  # a message is bytes, however it is cut
                pieces.append(payload)
            elif opcode == Opcode.PING:
                self.send(payload, Opcode.PONG)
            elif opcode == Opcode.CLOSE:
                reason = payload[2:].decode("utf-8", "replace") or "without a reason"
                raise TunnelLostError(f"the API server closed it ({reason})")
        self.rest = data[at:]
        return b"".join(pieces)


def _decrypt(tls: Tls, data: bytes) -> bytes:
    tls.incoming.write(data)
    plain = []
    try:
        while piece := tls.session.read(_READ_SIZE):
            plain.append(piece)
    except ssl.SSLWantReadError:
        return b"".join(plain)
    except ssl.SSLError as error:
        raise TunnelLostError(str(error)) from error
    raise TunnelLostError("the API server closed the connection")
