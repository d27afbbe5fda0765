"""A connection to the API server that carries many streams to one pod: SPDY inside a WebSocket.

This is what kubectl speaks (`SPDY/3.1+portforward.k8s.io`, on by default since Kubernetes 1.31): one handshake for a
pod, then a pair of streams for each connection. Why not the client library's `stream.portforward`, which makes a
WebSocket for each connection: docs/decisions/0040-port-forward-tunnel.md.
"""

from __future__ import annotations

from mldeploy.smoke.forward import spdy
from mldeploy.smoke.forward.wire import Wire


class Tunnel:
    """One pod's tunnel; not for more than one thread at a time.

    Attributes:
        pod: the pod's name.
        port: the port inside the pod.
    """

    def __init__(self, wire: Wire, pod: str, port: int) -> None:
        self.pod = pod
        self.port = port
        self._wire = wire
        self._encoder = spdy.Encoder()
        self._decoder = spdy.Decoder()
        self._next_stream = 1
        self._next_ping = 1

    def fileno(self) -> int:
        """Give the descriptor to wait on."""
        return self._wire.sock.fileno()

    @property
    def queued(self) -> int:
        """How many bytes wait to be sent."""
        return self._wire.queued

    def open_pair(self) -> int:
        """Open a connection's two streams; the data stream's number is returned, its error stream's is two less."""
        error = self._next_stream
        self._next_stream += 4
        common = {"port": str(self.port), "requestid": str(error)}
        self._wire.send(
            self._encoder.open(error, {"streamtype": "error", **common}, fin=True)
            + self._encoder.open(error + 2, {"streamtype": "data", **common}, fin=False)
        )
        return error + 2

    def send(self, stream: int, payload: bytes, *, fin: bool) -> None:
        """Queue bytes of a stream; `fin`: they are the last."""
        self._wire.send(spdy.data(stream, payload, fin=fin))

    def reset_pair(self, stream: int) -> None:
        """Queue the end of a connection: both of its streams."""
        self._wire.send(spdy.reset(stream) + spdy.reset(stream - 2))

    def ping(self) -> int:
        """Queue a ping and give the number that its answer will bear."""
        number = self._next_ping
        self._next_ping += 2
        self._wire.send(spdy.ping(number))
        return number

    def answer(self, ping: int) -> None:
        """Queue the answer to a ping of the server's."""
        self._wire.send(spdy.ping(ping))

    def receive(self) -> list[spdy.Frame]:
        """Read what has arrived, up to a share of it.

        Raises:
            TunnelLostError: the connection has ended.
        """
        return list(self._decoder.feed(self._wire.receive()))

    def flush(self) -> None:
        """Send what is queued, as far as the connection takes it now.

        Raises:
            TunnelLostError: the connection has ended.
        """
        self._wire.flush()

    def close(self) -> None:
        """Close the connection."""
        self._wire.close()
