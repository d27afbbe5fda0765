"""The frames of the port-forward protocol, cut anywhere."""

from __future__ import annotations

import struct
import zlib
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mldeploy.smoke.forward import spdy


def control(kind: int, *words: int) -> bytes:
    return struct.pack(">II", 0x80030000 | kind, 4 * len(words)) + b"".join(struct.pack(">I", word) for word in words)


SERVER_SAYS = (
    control(4, 1, 7, 100)  # settings: no answer is needed
    + control(2, 3, 0)
    + spdy.data(3, b"hello", fin=False)
    + control(9, 3, 65536)
    + spdy.data(3, b"", fin=False)
    + control(6, 2)
    + spdy.data(3, b"the end", fin=True)
    + control(3, 7, 5)
    + spdy.data(5, b"", fin=True)
    + control(7, 3, 0)
)


def joined(frames: list[spdy.Frame]) -> list[spdy.Frame]:
    """Put the pieces of a stream's bytes together: where they are cut means nothing."""
    out: list[spdy.Frame] = []
    for frame in frames:
        last = out[-1] if out else None
        if (
            isinstance(frame, spdy.Data)
            and isinstance(last, spdy.Data)
            and last.stream == frame.stream
            and not last.fin
        ):
            out[-1] = spdy.Data(frame.stream, last.payload + frame.payload, frame.fin)
        else:
            out.append(frame)
    return out


EXPECTED: list[spdy.Frame] = [
    spdy.Reply(3),
    spdy.Data(3, b"hello", fin=False),
    spdy.Ping(2),
    spdy.Data(3, b"the end", fin=True),
    spdy.Reset(7),
    spdy.Data(5, b"", fin=True),
    spdy.GoAway(),
]


@given(st.lists(st.integers(0, len(SERVER_SAYS)), max_size=12))
def test_frames_are_the_same_wherever_the_bytes_are_cut(cuts: list[int]) -> None:
    decoder = spdy.Decoder()
    edges = [0, *sorted(cuts), len(SERVER_SAYS)]
    frames: list[spdy.Frame] = []
    for begin, end in pairwise(edges):
        frames += decoder.feed(SERVER_SAYS[begin:end])
    assert joined(frames) == EXPECTED


def test_fin_comes_with_the_last_piece_only() -> None:
    decoder = spdy.Decoder()
    whole = spdy.data(3, b"abcdef", fin=True)
    assert list(decoder.feed(whole[:10])) == [spdy.Data(3, b"ab", fin=False)]
    assert list(decoder.feed(whole[10:])) == [spdy.Data(3, b"cdef", fin=True)]


def test_header_blocks_share_one_compression_state() -> None:
    encoder, inflate = spdy.Encoder(), zlib.decompressobj()
    for stream, fin in ((1, True), (3, False)):
        frame = encoder.open(stream, {"streamtype": "data", "port": "8000"}, fin=fin)
        first, second, number, associated = struct.unpack_from(">IIII", frame)
        assert first == 0x80030001
        assert (second >> 24 == 1, second & 0xFFFFFF) == (fin, len(frame) - 8)
        assert (number, associated) == (stream, 0)
        assert inflate.decompress(frame[18:]) == (
            b"\0\0\0\2" + b"\0\0\0\x0astreamtype" + b"\0\0\0\4data" + b"\0\0\0\4port" + b"\0\0\0\x048000"
        )
