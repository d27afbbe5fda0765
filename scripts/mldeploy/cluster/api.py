"""A few requests to one API server: enough to wait for it and to apply the add-ons, without a heavy client."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

_TIMEOUT_S = 10.0
# A server that has just begun to serve, on a slow disk, does not store everything at the first attempt.
_APPLY_S = 60.0
_AGAIN_S = 0.2
_FIELD_MANAGER = "mldeploy"

# kind -> (API root, plural, whether it is in a namespace): the kinds that the add-ons are made of.
_KINDS = {
    "APIService": ("/apis/apiregistration.k8s.io/v1", "apiservices", False),
    "ClusterRole": ("/apis/rbac.authorization.k8s.io/v1", "clusterroles", False),
    "ClusterRoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "clusterrolebindings", False),
    "ConfigMap": ("/api/v1", "configmaps", True),
    "Deployment": ("/apis/apps/v1", "deployments", True),
    "Namespace": ("/api/v1", "namespaces", False),
    "RoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "rolebindings", True),
    "Secret": ("/api/v1", "secrets", True),
    "Service": ("/api/v1", "services", True),
    "ServiceAccount": ("/api/v1", "serviceaccounts", True),
}


class ApiError(Exception):
    """The server did not answer, or not with success; `status` is 0 when there was no answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """The administrator's access to the API server behind a port of this host; for one thread.

    Args:
        port: on 127.0.0.1.
        pki: the cluster's keys and certificates.
    """

    def __init__(self, port: int, pki: Path) -> None:
        self._port = port
        self._tls = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        self._tls.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        # Asked again and again while a server starts: a handshake each time would take from it what it starts with.
        self._kept = self._connection()

    def text(self, path: str) -> str:
        """Give the body of `GET path`.

        Raises:
            ApiError: no answer, or one that is no success.
        """
        try:
            return _request(self._kept, "GET", path, None, {})
        except ApiError as error:
            if not error.status:
                self._kept.close()
            raise

    def get(self, path: str) -> dict[str, Any]:
        """Give the object at `path`; raises as `text` does."""
        return dict(json.loads(self.text(path)))

    def ok(self, path: str) -> bool:
        """Tell whether `GET path` succeeds."""
        try:
            self.text(path)
        except ApiError:
            return False
        return True

    def apply(self, manifests: Sequence[dict[str, Any]]) -> None:
        """Apply objects, server-side and in order: made or changed to be as they say.

        Doing so twice is doing it once: what the server does not answer, or not for a reason of its own, is sent again.

        Raises:
            ApiError: it refuses one, or does not take all within a minute.
        """
        deadline = time.monotonic() + _APPLY_S
        with closing(self._connection()) as connection:
            for manifest in manifests:
                root, plural, namespaced = _KINDS[manifest["kind"]]
                name, namespace = manifest["metadata"]["name"], manifest["metadata"].get("namespace", "default")
                middle = f"/namespaces/{namespace}" if namespaced else ""
                path = f"{root}{middle}/{plural}/{quote(name)}?fieldManager={_FIELD_MANAGER}&force=true"
                _patch(connection, path, json.dumps(manifest).encode(), deadline)

    def _connection(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("127.0.0.1", self._port, timeout=_TIMEOUT_S, context=self._tls)


def _patch(connection: http.client.HTTPSConnection, path: str, body: bytes, deadline: float) -> None:
    """Apply one object, again and again where the server fails, until `deadline` on the monotonic clock."""
    while True:
        try:
            _request(connection, "PATCH", path, body, {"Content-Type": "application/apply-patch+yaml"})
        except ApiError as error:
            if 0 < error.status < 500 or time.monotonic() > deadline:
                raise
            connection.close()
            time.sleep(_AGAIN_S)
        else:
            return


def _request(
    connection: http.client.HTTPSConnection, method: str, path: str, body: bytes | None, headers: dict[str, str]
) -> str:
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        raise ApiError(0, f"{method} {path}: {error}") from error
    if answer.status >= 300:
        raise ApiError(answer.status, f"{method} {path}: {answer.status} {text[:500]}")
    return text
