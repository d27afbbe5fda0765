"""The Kubernetes API by kubeconfig and context, and its errors as messages that say what to do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mldeploy.errors import MldeployError

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 30.0
_CONFLICT = 409

# The client library's own types make every field of every object optional, as the API's description does; its objects
# are Any in this capability.
ApiClient = Any


class ApiError(MldeployError):
    """The API server refused a request, or could not be reached.

    Attributes:
        status: the HTTP status; 0 where there was no answer.
    """

    def __init__(self, message: str, *, status: int, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.status = status


def connect(kubeconfig: Path | None, context: str) -> ApiClient:
    """Make a client of an API server; asks the server nothing yet.

    Args:
        kubeconfig: the file that names it; None: as kubectl finds it (KUBECONFIG, ~/.kube/config).
        context: the context in it; empty: the current one.

    Raises:
        MldeployError: the file is missing or unreadable, or has no such context.
    """
    from kubernetes.client import Configuration
    from kubernetes.config import ConfigException, new_client_from_config

    if kubeconfig is not None and not kubeconfig.is_file():
        raise MldeployError(f"{kubeconfig}: no such kubeconfig", remedy="run mldeploy cluster up")
    configuration = Configuration()
    # urllib3 would try an unreachable server three times more; whoever waits here has a deadline of their own.
    configuration.retries = False
    try:
        return new_client_from_config(  # type: ignore[no-untyped-call]
            config_file=None if kubeconfig is None else str(kubeconfig),
            context=context or None,
            client_configuration=configuration,
            persist_config=False,  # the user's own file is never written
        )
    except (ConfigException, OSError, ValueError) as error:
        raise MldeployError(
            f"the kubeconfig {kubeconfig or '(KUBECONFIG or ~/.kube/config)'} cannot be used: {error}",
            remedy='run mldeploy cluster up and eval "$(mldeploy env)", or see kubectl config get-contexts',
        ) from error


def disconnect(api: ApiClient) -> None:
    """Close a client's connections."""
    pools = api.rest_client.pool_manager.pools
    # Clearing the manager alone leaves them open for as long as anybody holds on to an answer, as an exception does.
    for key in pools.keys():  # noqa: SIM118 - it is no mapping that can be iterated
        pools[key].close()
    pools.clear()
    api.close()


def core(api: ApiClient) -> Any:
    """Give the API of pods, Services, Secrets and events."""
    from kubernetes.client import CoreV1Api

    return CoreV1Api(api)


def apps(api: ApiClient) -> Any:
    """Give the API of Deployments."""
    from kubernetes.client import AppsV1Api

    return AppsV1Api(api)


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turn what the API client raises inside the block into `ApiError`; `doing` says what was tried ("read ...").

    Raises:
        ApiError: the request was refused, or the server cannot be reached.
    """
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ApiException as error:
        raise refusal(doing, error.status or 0, error.body or error.reason or "") from error
    except (HTTPError, OSError) as error:
        raise ApiError(
            f"cannot {doing}: the API server does not answer: {_innermost(error)}",
            status=0,
            remedy="see mldeploy cluster status, and the server's address in the kubeconfig",
        ) from error


def ensure(doing: str, create: Callable[[], Any]) -> None:
    """Create an object; one that is there stays as it is.

    Args:
        doing: what is tried, as `explained` takes it.
        create: sends the request.

    Raises:
        ApiError: the request was refused for another reason, or the server cannot be reached.
    """
    try:
        with explained(doing):
            create()
    except ApiError as error:
        if error.status != _CONFLICT:
            raise


def refusal(doing: str, status: int, body: str | bytes) -> ApiError:
    """Make an error of an HTTP answer: its status, and the reason that the body (a `Status` object, mostly) gives."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    try:
        reason = str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        reason = text.strip() or f"HTTP status {status}"
    remedies = {
        401: "the credentials of this context are not accepted: get new ones",
        403: "ask for a Role that allows it, or use another context",
    }
    return ApiError(f"cannot {doing}: {reason}", status=status, remedy=remedies.get(status, ""))


def _innermost(error: BaseException) -> str:
    reason = getattr(error, "reason", None)
    return _innermost(reason) if isinstance(reason, BaseException) else str(error)
