"""Which ready pods a Service selects, followed by a watch of those pods.

Pods and not EndpointSlices, which are made of them: a pod's end shows sooner, and why one is not ready is read from the
same objects (docs/decisions/0041-watch-pods.md). kubectl port-forward looks at pods as well.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mldeploy.errors import MldeployError
from mldeploy.smoke.kube import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, ApiClient, ApiError, core, explained

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
    """A port of a Service.

    Attributes:
        namespace, service: which Service.
        selector: labels of its pods, as `name=value,...`.
        target: the port inside the pods: a number, or the name that containers give it.
    """

    namespace: str
    service: str
    selector: str
    target: int | str


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
    labels = found.spec.selector or {}
    if not labels:
        raise MldeployError(f"Service {namespace}/{service} selects no pods, so there is nothing to forward to")
    selector = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
    ports = found.spec.ports or []
    for one in ports:
        if one.port == port:
            return ServicePort(namespace, service, selector, one.target_port or port)
    known = ", ".join(f"{one.port} ({one.name})" if one.name else str(one.port) for one in ports) or "none"
    raise MldeployError(f"Service {namespace}/{service} has no port {port}; its ports: {known}")


def _instead(api: ApiClient, namespace: str) -> str:
    with explained(f"list Services in namespace {namespace}"):
        names = [one.metadata.name for one in core(api).list_namespaced_service(namespace).items]
    return f" (there are: {', '.join(sorted(names))})" if names else " (there are none)"


def ready(pods: Iterable[Any], target: int | str) -> tuple[Endpoint, ...]:
    """Give the ready pods that are not being deleted and have the port, in order of name.

    Args:
        pods: as the API describes them.
        target: the port inside: a number, or the name that a container gives it.
    """
    found = set()
    for pod in pods:
        is_ready = any(one.type == "Ready" and one.status == "True" for one in pod.status.conditions or [])
        number = _port(pod, target)
        if is_ready and number is not None and pod.metadata.deletion_timestamp is None:
            found.add(Endpoint(pod.metadata.name, number))
    return tuple(sorted(found))


def _port(pod: Any, target: int | str) -> int | None:
    if isinstance(target, int):
        return target
    named = (port for container in pod.spec.containers for port in container.ports or [] if port.name == target)
    return next((port.container_port for port in named), None)


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
                with explained(f"watch the pods of Service {self._port.namespace}/{self._port.service}"):
                    self._follow()
            except ApiError as error:
                if error.status == _GONE:
                    continue  # the watch fell too far behind: list again
                if not self._closing.is_set():
                    self._on_error(error)
                self._closing.wait(_RETRY_S)

    def _follow(self) -> None:
        from kubernetes.watch import Watch

        verb = core(self._api).list_namespaced_pod
        which = {"label_selector": self._port.selector}
        listed = verb(self._port.namespace, **which, _request_timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S))
        pods = {one.metadata.name: one for one in listed.items}
        self._tell(pods)
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
                pods.pop(name, None)
            else:
                pods[name] = event["object"]
            self._tell(pods)

    def _tell(self, pods: Mapping[str, Any]) -> None:
        now = ready(pods.values(), self._port.target)
        if now != self._told:
            self._told = now
            self._on_change(now)
