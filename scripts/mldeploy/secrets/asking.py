"""Whether each pod of a release accepts a key, asked of the pod itself: what the smoke checks send, with that key."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from mldeploy.errors import MldeployError
from mldeploy.smoke.declaration import HttpCheck, JobCheck, SecretValue, ServiceChecks, declared
from mldeploy.smoke.kube import ApiClient, core, explained
from mldeploy.values import Release

_ASK_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Pod:
    """A ready pod behind a service's Service, and the port that it listens on."""

    name: str
    uid: str
    port: int


class Asker:
    """Asks the pods of one release, as its smoke checks do.

    Args:
        api: the cluster.
        root: the checkout, where the checks are declared.
        release: whose pods.

    Raises:
        MldeployError: as `declared`.
    """

    def __init__(self, api: ApiClient, root: Path, release: Release) -> None:
        self._api, self._release = api, release
        self._plan: ServiceChecks = declared(root, release)

    def pods(self) -> list[Pod]:
        """List the pods that get requests now.

        Raises:
            ApiError: the API server refuses, or cannot be reached.
        """
        from kubernetes.client import DiscoveryV1Api

        namespace, service = self._release.namespace, self._plan.target
        with explained(f"list the endpoints of Service {service}"):
            # As everywhere here (smoke.kube): the client's own types make every field optional.
            slices: Any = DiscoveryV1Api(self._api).list_namespaced_endpoint_slice(
                namespace, label_selector=f"kubernetes.io/service-name={service}"
            )
        return [
            Pod(one.target_ref.name, one.target_ref.uid, found.ports[0].port)
            for found in slices.items
            for one in found.endpoints or []
            if one.conditions.ready and one.target_ref is not None
        ]

    def accepts(self, pod: Pod, key: str, value: str) -> bool:
        """Tell whether a pod lets somebody in who has `value` for the Secret's `key`; a pod that is gone does not.

        Raises:
            MldeployError: no smoke check of the service sends this key.
        """
        ask = self._question(key)
        try:
            with self._connected(pod) as stream:
                return ask(stream, value)
        except (OSError, HTTPException):
            return False

    def _question(self, key: str) -> Callable[[socket.socket, str], bool]:
        secret = SecretValue(self._release.name, key)
        for check in self._plan.checks:
            if isinstance(check.ask, HttpCheck) and secret in check.ask.request.headers.values():
                return _over_http(check.ask, secret)
            if isinstance(check.ask, JobCheck) and check.ask.password == secret:
                return _over_redis
        raise MldeployError(
            f"{self._release.service}: no smoke check sends the key {key}, so nobody can tell who accepts it",
            remedy="add one to values/smoke.yaml (docs/smoke.md)",
        )

    @contextmanager
    def _connected(self, pod: Pod) -> Iterator[socket.socket]:
        from kubernetes.stream import portforward

        with explained(f"forward to pod {pod.name}"):
            forwarded = portforward(
                core(self._api).connect_get_namespaced_pod_portforward,
                pod.name,
                self._release.namespace,
                ports=str(pod.port),
            )
        with closing(forwarded.socket(pod.port)) as stream:
            stream.settimeout(_ASK_TIMEOUT_S)
            yield stream


def _over_http(check: HttpCheck, secret: SecretValue) -> Callable[[socket.socket, str], bool]:
    request = check.request

    def ask(stream: socket.socket, value: str) -> bool:
        headers = {name: value for name, one in request.headers.items() if one == secret}
        headers |= {name: one for name, one in request.headers.items() if isinstance(one, str)}
        body: Any = None
        if request.body is not None:
            body, headers["Content-Type"] = json.dumps(request.body), "application/json"
        connection = HTTPConnection("pod")
        connection.sock = stream
        connection.request(request.method, request.path, body, headers)
        response = connection.getresponse()
        # What is left unread when the stream is closed would be an error of the forward's.
        response.read()
        return response.status == check.status

    return ask


def _over_redis(stream: socket.socket, value: str) -> bool:
    word = value.encode()
    stream.sendall(b"*2\r\n$4\r\nAUTH\r\n$%d\r\n%s\r\n" % (len(word), word))
    return stream.recv(64).startswith(b"+OK")
