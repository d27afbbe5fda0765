"""A port-forward to a Service that outlives its pods.

Three threads: the pump moves bytes, the watch follows the Service's ready endpoints, and the supervisor opens a tunnel
whenever there is none to a ready pod. Open connections stay on the tunnel that they began on.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from mldeploy.errors import MldeployError
from mldeploy.smoke.forward.dial import open_tunnel
from mldeploy.smoke.forward.endpoints import Endpoint, EndpointWatch, NotReadyError, ServicePort, find_port
from mldeploy.smoke.forward.pump import Pump
from mldeploy.smoke.forward.tunnel import Tunnel
from mldeploy.smoke.kube import ApiClient, ApiError, connect, disconnect
from mldeploy.smoke.pods import why_not_ready

_BACKLOG = 512
_RETRY_S = 0.25
READY_TIMEOUT_S = 60.0
_HOST = "127.0.0.1"


@contextmanager
def forward(
    kubeconfig: Path | None,
    context: str,
    namespace: str,
    target: str,
    port: int,
    *,
    local_port: int | Literal["auto"] = "auto",
    ready_timeout_s: float = READY_TIMEOUT_S,
    on_event: Callable[[str], None] | None = None,
) -> Iterator[Forward]:
    """Forward a local port to a Service while the block runs.

    Args:
        kubeconfig: the file that names the cluster; None: as kubectl finds it.
        context: the context in it; empty: the current one.
        namespace: the Service's.
        target: `svc/NAME`.
        port: the Service's port (not the pod's).
        local_port: where to listen on 127.0.0.1; "auto" takes a free one.
        ready_timeout_s: how long to wait for a ready pod: at the beginning, and for each connection that comes
            while there is none.
        on_event: called, in another thread, with each change in words ("pod x is no longer ready").

    Raises:
        NotReadyError, ApiError, MldeployError: as `Forward.__enter__`, and where the kubeconfig cannot be used.
    """
    kind, _, name = target.partition("/")
    if kind != "svc" or not name:
        raise MldeployError(f"{target}: not a Service", remedy="write svc/NAME")
    api = connect(kubeconfig, context)
    try:
        with Forward(
            api,
            namespace,
            name,
            port,
            local_port=0 if local_port == "auto" else local_port,
            ready_timeout_s=ready_timeout_s,
            on_event=on_event,
        ) as one:
            yield one
    finally:
        disconnect(api)


class Forward:
    """A port-forward by a client of the API; entering waits for a ready pod and opens the tunnel to it.

    Args and attributes: see `forward`; `port` is the local port once it is entered.
    """

    def __init__(
        self,
        api: ApiClient,
        namespace: str,
        service: str,
        service_port: int,
        *,
        local_port: int = 0,
        ready_timeout_s: float = READY_TIMEOUT_S,
        on_event: Callable[[str], None] | None = None,
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._service = service
        self._service_port = service_port
        self._ready_timeout_s = ready_timeout_s
        self._on_event = on_event or (lambda _text: None)
        self.port = local_port
        self._state = threading.Condition()
        self._endpoints: tuple[Endpoint, ...] = ()
        self._tunnel: Tunnel | None = None
        self._pods = 0  # how many pods it has been connected to
        self._trouble: MldeployError | None = None
        self._failure = ""
        self._closing = False
        self._thread = threading.Thread(target=self._supervise, name="forward-supervisor")

    @property
    def address(self) -> str:
        """The local address, as `host:port`."""
        return f"{_HOST}:{self.port}"

    @property
    def pod(self) -> str:
        """The pod that new connections go to; empty while there is none."""
        with self._state:
            return self._tunnel.pod if self._tunnel else ""

    @property
    def last_failure(self) -> str:
        """Why the last connection that failed did so, in words; empty if none has."""
        with self._state:
            return self._failure

    def __enter__(self) -> Self:
        """Listen, and wait for a tunnel to a ready pod.

        Raises:
            ApiError: the API server refuses, or cannot be reached.
            NotReadyError: no such Service, or no pod is ready in time, and why.
            MldeployError: the Service has no such port, or the local one is taken.
        """
        found = find_port(self._api, self._namespace, self._service, self._service_port)
        listener = self._listen()
        self._pump = Pump(listener, hold_s=self._ready_timeout_s, on_lost=self._lost, on_failure=self._failed)
        self._watch = EndpointWatch(self._api, found, on_change=self._changed, on_error=self._watch_failed)
        try:
            self._pump.start()
            self._watch.start()
            self._thread.start()
            self._wait_for_tunnel(found)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every connection, tunnel and thread."""
        with self._state:
            self._closing = True
            self._state.notify_all()
        self._watch.close()
        if self._thread.ident is not None:
            self._thread.join()
        self._pump.close()

    def _wait_for_tunnel(self, port: ServicePort) -> None:
        with self._state:
            self._state.wait_for(lambda: self._tunnel is not None or _final(self._trouble), self._ready_timeout_s)
            if self._tunnel is not None:
                return
            if self._trouble is not None:
                raise self._trouble
        raise NotReadyError(
            f"Service {port.namespace}/{port.service} has no ready pod within {self._ready_timeout_s:g} s: "
            + why_not_ready(self._api, port.namespace, port.selector)
        )

    def _listen(self) -> socket.socket:
        listener = socket.socket()
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((_HOST, self.port))
            listener.listen(_BACKLOG)
        except OSError as error:
            listener.close()
            raise MldeployError(
                f"cannot listen on {_HOST}:{self.port}: {error.strerror}",
                remedy="choose another local port, or none, which takes a free one",
            ) from error
        self.port = listener.getsockname()[1]
        return listener

    # Called by the watch and the pump, in their threads

    def _changed(self, endpoints: tuple[Endpoint, ...]) -> None:
        with self._state:
            self._endpoints = endpoints
            tunnel = self._tunnel
            if tunnel is not None and Endpoint(tunnel.pod, tunnel.port) not in endpoints:
                self._tunnel = None
                self._pump.detach()
            gone = tunnel is not None and self._tunnel is None
            self._state.notify_all()
        if gone and tunnel is not None:
            waiting = "" if endpoints else "; waiting for a ready one"
            self._on_event(f"pod {tunnel.pod} is no longer ready{waiting}")

    def _watch_failed(self, error: ApiError) -> None:
        with self._state:
            self._trouble = error
            self._state.notify_all()

    def _lost(self, tunnel: Tunnel, how: str) -> None:
        with self._state:
            current = tunnel is self._tunnel
            if current:
                self._tunnel = None
                self._state.notify_all()
        if current:
            self._on_event(f"connection to pod {tunnel.pod} lost ({how})")

    def _failed(self, why: str) -> None:
        with self._state:
            self._failure = why
        self._on_event(f"a connection failed: {why}")

    # The supervisor's thread

    def _supervise(self) -> None:
        while True:
            with self._state:
                self._state.wait_for(lambda: self._closing or (self._endpoints and self._tunnel is None))
                if self._closing:
                    return
                endpoint = self._endpoints[0]
            try:
                tunnel = open_tunnel(self._api, self._namespace, endpoint.pod, endpoint.port)
            except ApiError as error:
                with self._state:
                    self._trouble = error
                    self._state.notify_all()
                    self._state.wait_for(lambda: self._closing, _RETRY_S)
                continue
            with self._state:
                self._trouble = None
                self._tunnel = tunnel
                self._pump.attach(tunnel)
                self._pods += 1
                again = self._pods > 1
                self._state.notify_all()
            self._on_event(f"{'reconnected' if again else 'connected'} to pod {endpoint.pod}")


def _final(trouble: MldeployError | None) -> bool:
    """Say whether waiting longer is no use: the API server has answered, and refuses."""
    return isinstance(trouble, ApiError) and trouble.status in {401, 403}
