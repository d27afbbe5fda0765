"""Vault's HTTP API, as its administrator, through a port-forward to the pod's loopback address."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from mldeploy.errors import MldeployError
from mldeploy.smoke import forward
from mldeploy.smoke.kube import ApiError, connect, core, disconnect, explained
from mldeploy.vault.place import LOOPBACK_PORT, NAMESPACE, ROOT_KEY, ROOT_SECRET, SERVICE

_ANSWER_S = 30.0
_NOT_FOUND = 404
_MERGE = "application/merge-patch+json"


class VaultError(MldeployError):
    """Vault refused a request, or did not answer.

    Attributes:
        status: the HTTP status; 0 where there was no answer.
    """

    def __init__(self, message: str, *, status: int, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.status = status


class Vault:
    """A Vault that listens on a port of this machine's loopback address.

    Args:
        port: the local end of a forward.
        token: whose rights the requests have; empty: nobody's.
    """

    def __init__(self, port: int, token: str = "") -> None:
        self._port, self._token = port, token

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send one request; token and body are in no argument, message or log.

        Args:
            method: GET, POST, PUT or PATCH (which merges the body into what is there).
            path: below /v1/.
            body: sent as JSON.

        Returns:
            The answer; empty where there is none.

        Raises:
            VaultError: it refuses, or does not answer.
        """
        headers = {"X-Vault-Request": "true", "Content-Type": _MERGE if method == "PATCH" else "application/json"}
        if self._token:
            headers["X-Vault-Token"] = self._token
        content = None if body is None else json.dumps(body)
        try:
            with closing(HTTPConnection("127.0.0.1", self._port, timeout=_ANSWER_S)) as connection:
                connection.request(method, f"/v1/{path}", content, headers)
                answer = connection.getresponse()
                status, text = answer.status, answer.read()
        except (OSError, HTTPException) as error:
            raise VaultError(
                f"Vault does not answer {method} {path}: {error}",
                status=0,
                remedy=f"see kubectl get pods -n {NAMESPACE}",
            ) from error
        if status >= 400:
            raise VaultError(f"Vault refuses {method} {path}: {_reasons(text) or f'status {status}'}", status=status)
        found: dict[str, Any] = json.loads(text) if text else {}
        return found


def _reasons(text: bytes) -> str:
    try:
        return "; ".join(" ".join(str(one).split()) for one in json.loads(text)["errors"])
    except (ValueError, KeyError, TypeError):
        return ""


@contextmanager
def administered(kubeconfig: Path | None, context: str, *, environment: str) -> Iterator[Vault]:
    """Speak with a cluster's own Vault while the block runs, with the rights of its root token.

    Args:
        kubeconfig: the file that names the cluster; None: as kubectl finds it.
        context: the context in it; empty: the current one.
        environment: whose secrets it is to hold, for the message.

    Raises:
        MldeployError: the cluster has no Vault of its own, or it is not ready.
        ApiError: the API server refuses, or cannot be reached.
    """
    token = _root_token(kubeconfig, context, environment)
    with forward(kubeconfig, context, NAMESPACE, f"svc/{SERVICE}", LOOPBACK_PORT) as one:
        yield Vault(one.port, token)


def _root_token(kubeconfig: Path | None, context: str, environment: str) -> str:
    api = connect(kubeconfig, context)
    try:
        with explained(f"read the secret {NAMESPACE}/{ROOT_SECRET}"):
            data = core(api).read_namespaced_secret(ROOT_SECRET, NAMESPACE).data
    except ApiError as error:
        if error.status != _NOT_FOUND:
            raise
        raise MldeployError(
            f"{environment}: its secrets are in a Vault outside the cluster, which is not written from here",
            remedy="write them there; `mldeploy up --with vault` gives a cluster of your own one to try",
        ) from error
    finally:
        disconnect(api)
    return base64.b64decode(data[ROOT_KEY]).decode()
