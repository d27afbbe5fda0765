"""Which pods are behind a Service's port, followed by a watch of its EndpointSlices."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from mldeploy.errors import MldeployError
from mldeploy.smoke.kube import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, ApiClient, ApiError, core, discovery, explained

_WATCH_S = 300  # the server ends a watch after this long, and it is begun again
_RETRY_S = 0.25
_CLOSE_RETRY_S = 0.05
_GONE = 410


class NotReadyError(MldeployError):
    """There is nothing behind a Service now: no such Service, or no pod ready in time; says which pods, and why."""


@dataclass(frozen=True, order=True)
class Endpoint:
    """A ready pod behind a Service: its name, and the port inside it."""

    pod: str
    port: int


@dataclass(frozen=True)
class ServicePort:
    """A port of a Service, as its EndpointSlices know it: by name ("" where the Service has one port without)."""

    namespace: str
    service: str
    number: int
    name: str
    selector: str


def find_port(api: ApiClient, namespace: str, service: str, port: int) -> ServicePort:
    """Look a Service's port up.

    Raises:
        ApiError: the request was refused or could not be made.
        NotReadyError: there is no such Service.
        MldeployError: it has no such port.
    """
    try:
        with explained(f"read Service {namespace}/{service}"):
            found = core(api).read_namespaced_service(service, namespace)
    except ApiError as error:
        if error.status != 404:
            raise
        raise NotReadyError(
            f"there is no Service {service} in namespace {namespace}{_instead(api, namespace)}",
            remedy=f"deploy it (helmfile -e {namespace} apply), or name another one",
        ) from error
    ports = found.spec.ports or []
    for one in ports:
        if one.port == port:
            labels = found.spec.selector or {}
            selector = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
            return ServicePort(namespace, service, port, one.name or "", selector)
    known = ", ".join(f"{one.port} ({one.name})" if one.name else str(one.port) for one in ports) or "none"
    raise MldeployError(f"Service {namespace}/{service} has no port {port}; its ports: {known}")


def _instead(api: ApiClient, namespace: str) -> str:
    with explained(f"list Services in namespace {namespace}"):
        names = [one.metadata.name for one in core(api).list_namespaced_service(namespace).items]
    return f" (there are: {', '.join(sorted(names))})" if names else " (there are none)"


def ready(slices: Iterable[Any], name: str) -> tuple[Endpoint, ...]:
    """Give the ready pods of EndpointSlices that serve the port called `name`, in order of name."""
    found = set()
    for one in slices:
        number = next((port.port for port in one.ports or [] if (port.name or "") == name), None)
        if number is None:
            continue
        for endpoint in one.endpoints or []:
            target = endpoint.target_ref
            # No condition at all is defined as ready.
            is_ready = endpoint.conditions is None or endpoint.conditions.ready is not False
            if is_ready and target is not None and target.kind == "Pod":
                found.add(Endpoint(target.name, number))
    return tuple(sorted(found))


class EndpointWatch:
    """Follows a Service's ready endpoints in a thread of its own.

    Args:
        api: the cluster.
        port: the Service's port.
        on_change: called (in the watch's thread) with the ready endpoints, at first and whenever they change.
        on_error: called (in the watch's thread) when the API server refuses or is away; the watch goes on trying.
    """

    def __init__(
        self,
        api: ApiClient,
        port: ServicePort,
        *,
        on_change: Callable[[tuple[Endpoint, ...]], None],
        on_error: Callable[[ApiError], None],
    ) -> None:
        self._api = api
        self._port = port
        self._on_change = on_change
        self._on_error = on_error
        self._told: tuple[Endpoint, ...] | None = None
        self._closing = threading.Event()
        self._watch: Any = None
        self._thread = threading.Thread(target=self._run, name="forward-endpoints")

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def close(self) -> None:
        """End the watch and its thread."""
        self._closing.set()
        while self._thread.is_alive():
            # Stopping wakes the thread out of its read, but only once that has begun.
            if self._watch is not None:
                self._watch.stop()
            self._thread.join(_CLOSE_RETRY_S)

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                with explained(f"watch the endpoints of Service {self._port.namespace}/{self._port.service}"):
                    self._follow()
            except ApiError as error:
                if error.status == _GONE:
                    continue  # the watch fell too far behind: list again
                if not self._closing.is_set():
                    self._on_error(error)
                self._closing.wait(_RETRY_S)

    def _follow(self) -> None:
        from kubernetes.watch import Watch

        verb = discovery(self._api).list_namespaced_endpoint_slice
        which = {"label_selector": f"kubernetes.io/service-name={self._port.service}"}
        listed = verb(self._port.namespace, **which, _request_timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S))
        slices = {one.metadata.name: one for one in listed.items}
        self._tell(slices)
        self._watch = Watch()  # type: ignore[no-untyped-call]
        for event in self._watch.stream(
            verb,
            self._port.namespace,
            **which,
            resource_version=listed.metadata.resource_version,
            timeout_seconds=_WATCH_S,
            _request_timeout=(CONNECT_TIMEOUT_S, _WATCH_S + READ_TIMEOUT_S),
        ):
            if self._closing.is_set():
                return
            name = event["object"].metadata.name
            if event["type"] == "DELETED":
                slices.pop(name, None)
            else:
                slices[name] = event["object"]
            self._tell(slices)

    def _tell(self, slices: dict[str, Any]) -> None:
        now = ready(slices.values(), self._port.name)
        if now != self._told:
            self._told = now
            self._on_change(now)
