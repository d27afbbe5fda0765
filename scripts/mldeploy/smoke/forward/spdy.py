"""SPDY/3.1 frames, as far as the port-forward protocol of Kubernetes needs them; no input or output here.

The client opens streams and the server answers; the server opens none. Header blocks are compressed without the
protocol's preset dictionary, which a compressor may leave unused (RFC 1950 marks it in the stream): the peers - the
streaming servers of containerd, CRI-O and the kubelet - read both. What the server's header blocks say is not needed.

Source: the SPDY/3.1 draft, sections 2.2 and 2.6.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_CONTROL = 0x80030000  # the control bit and version 3
_SYN_STREAM, _SYN_REPLY, _RST_STREAM, _PING, _GOAWAY = 1, 2, 3, 6, 7
_FLAG_FIN = 0x01
_HEAD = struct.Struct(">II")
_WORD = struct.Struct(">I")
_CANCEL = 5


@dataclass(frozen=True, slots=True)
class Reply:
    """The server accepted a stream."""

    stream: int


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes of a stream (a part of a frame, as it arrived); `fin`: the server will send no more on it."""

    stream: int
    payload: bytes
    fin: bool


@dataclass(frozen=True, slots=True)
class Reset:
    """The server gave a stream up."""

    stream: int


@dataclass(frozen=True, slots=True)
class Ping:
    """A ping, or the answer to ours: odd numbers are the client's."""

    number: int


@dataclass(frozen=True, slots=True)
class GoAway:
    """The server accepts no further stream."""


Frame = Reply | Data | Reset | Ping | GoAway


class Encoder:
    """Writes a client's frames; one for each connection, since header blocks share a compression state."""

    def __init__(self) -> None:
        self._compressor = zlib.compressobj()

    def open(self, stream: int, headers: Mapping[str, str], *, fin: bool) -> bytes:
        """Open a stream; `fin`: we shall send nothing on it."""
        block = _WORD.pack(len(headers))
        for name, value in headers.items():
            for text in (name.encode("ascii"), value.encode("ascii")):
                block += _WORD.pack(len(text)) + text
        packed = self._compressor.compress(block) + self._compressor.flush(zlib.Z_SYNC_FLUSH)
        body = struct.pack(">IIH", stream, 0, 0) + packed
        return _HEAD.pack(_CONTROL | _SYN_STREAM, (_FLAG_FIN if fin else 0) << 24 | len(body)) + body


def data(stream: int, payload: bytes, *, fin: bool) -> bytes:
    """Send bytes of a stream, fewer than 16 MiB; `fin`: they are the last."""
    return _HEAD.pack(stream, (_FLAG_FIN if fin else 0) << 24 | len(payload)) + payload


def reset(stream: int) -> bytes:
    """Give a stream up (status: cancel)."""
    return _HEAD.pack(_CONTROL | _RST_STREAM, 8) + struct.pack(">II", stream, _CANCEL)


def ping(number: int) -> bytes:
    """Ask for an answer of the same number, or give it."""
    return _HEAD.pack(_CONTROL | _PING, 4) + _WORD.pack(number)


class Decoder:
    """Reads a server's frames from bytes in pieces of any size; payloads are handed on as they come."""

    def __init__(self) -> None:
        self._rest = b""  # the beginning of a head or of a control frame
        self._stream = 0  # whose payload is under way,
        self._missing = 0  # how many bytes of it are still to come,
        self._fin = False  # and whether it is the stream's last

    def feed(self, piece: bytes) -> Iterator[Frame]:
        """Take the next bytes and give the frames that they complete; to be drained before the next call."""
        data = self._rest + piece if self._rest else piece
        self._rest = b""
        at = 0
        while at < len(data):
            if self._missing:
                payload = data[at : at + self._missing] if at or len(data) > self._missing else data
                at += len(payload)
                self._missing -= len(payload)
                yield Data(self._stream, payload, self._fin and not self._missing)
                continue
            if len(data) - at < _HEAD.size:
                break
            first, second = _HEAD.unpack_from(data, at)
            length = second & 0xFFFFFF
            if first < _CONTROL & 0x80000000:
                at += _HEAD.size
                self._stream, self._missing, self._fin = first, length, bool(second >> 24 & _FLAG_FIN)
                if not length:
                    yield Data(first, b"", self._fin)
                continue
            if len(data) - at < _HEAD.size + length:
                break
            frame = _control(first & 0xFFFF, data[at + _HEAD.size : at + _HEAD.size + length])
            at += _HEAD.size + length
            if frame is not None:
                yield frame
        self._rest = data[at:]


def _control(kind: int, body: bytes) -> Frame | None:
    if kind == _GOAWAY:
        return GoAway()
    if kind not in {_SYN_REPLY, _RST_STREAM, _PING} or len(body) < _WORD.size:
        return None  # settings, window updates and headers need no answer
    number = _WORD.unpack_from(body)[0]
    if kind == _SYN_REPLY:
        return Reply(number)
    return Reset(number) if kind == _RST_STREAM else Ping(number)
