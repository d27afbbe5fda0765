"""HTTP checks through a forward: one request and its answer, or many and how long they take."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from typing import Any

from mldeploy.smoke.declaration import HttpCheck, LatencyCheck, Request
from mldeploy.smoke.forward import Forward
from mldeploy.smoke.result import FailedError, difference

_SHOWN = 300


def check_http(check: HttpCheck, forward: Forward, headers: Mapping[str, str], deadline: float) -> None:
    """Send one request and compare its answer.

    Args:
        check: what is asked and expected.
        forward: the way to the service.
        headers: the request's, secrets filled in.
        deadline: on the monotonic clock.

    Raises:
        FailedError: no answer in time, or another one than expected.
    """
    with _Asker(check.request, forward, headers) as asker:
        status, text = asker.ask(deadline)
    what = f"{check.request.method} {check.request.path}"
    if status != check.status:
        raise FailedError(f"{what}: status {status}, not {check.status}: {_excerpt(text)}")
    if check.answer is None:
        return
    try:
        found = json.loads(text)
    except ValueError as error:
        raise FailedError(f"{what}: the answer is no JSON: {_excerpt(text)}") from error
    if wrong := difference(check.answer, found):
        raise FailedError(f"{what}: {wrong}")


def check_latency(
    check: LatencyCheck, forward: Forward, headers: Mapping[str, str], deadline: float
) -> dict[str, float]:
    """Send requests one after the other on one connection, and compare percentiles with their bounds.

    Args:
        check: what is asked, how often, and the bounds.
        forward: the way to the service; what it adds is part of the measure.
        headers: the request's, secrets filled in.
        deadline: on the monotonic clock.

    Returns:
        Milliseconds by percentile ("p50"), for each bound.

    Raises:
        FailedError: a request failed, the time is up, or a percentile is above its bound.
    """
    what = f"{check.request.method} {check.request.path}"
    taken: list[float] = []
    with _Asker(check.request, forward, headers) as asker:
        asker.ask(deadline)  # opens the connection, which is not what is measured
        for number in range(check.requests):
            began = time.monotonic()
            if began >= deadline:
                raise FailedError(f"{what}: only {number} of {check.requests} requests in the time that the check has")
            status, text = asker.ask(deadline)
            taken.append((time.monotonic() - began) * 1000)
            if status != 200:
                raise FailedError(f"{what}: request {number + 1}: status {status}, not 200: {_excerpt(text)}")
    measures = {f"p{one}": percentile(taken, one) for one in sorted(check.milliseconds)}
    slow = [
        f"p{one} is {measures[f'p{one}']:.1f} ms, over {bound:g} ms"
        for one, bound in sorted(check.milliseconds.items())
        if measures[f"p{one}"] > bound
    ]
    if slow:
        raise FailedError(f"{what}: {'; '.join(slow)} ({check.requests} requests)")
    return measures


def percentile(values: Sequence[float], percent: int) -> float:
    """Give the nearest-rank percentile of at least one value."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


class _Asker:
    """Sends one request, again and again, on one connection."""

    def __init__(self, request: Request, forward: Forward, headers: Mapping[str, str]) -> None:
        self._request = request
        self._forward = forward
        self._body = None if request.body is None else json.dumps(request.body).encode()
        content = {} if self._body is None else {"Content-Type": "application/json"}
        self._headers = {**content, **headers}
        self._connection = HTTPConnection("127.0.0.1", forward.port)

    def __enter__(self) -> _Asker:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(self, deadline: float) -> tuple[int, str]:
        """Send it and read the answer: its status, and its body as text."""
        left = max(0.001, deadline - time.monotonic())
        self._connection.timeout = left
        if self._connection.sock is not None:
            self._connection.sock.settimeout(left)
        what = f"{self._request.method} {self._request.path}"
        try:
            self._connection.request(self._request.method, self._request.path, self._body, self._headers)
            answer = self._connection.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")
        except TimeoutError as error:
            raise FailedError(f"{what}: no answer in the time that the check has") from error
        except (OSError, HTTPException) as error:
            # The local end only sees a reset; the forward knows what happened in the pod.
            cause = self._forward.last_failure or str(error) or type(error).__name__
            raise FailedError(f"{what}: {cause}") from error


def _excerpt(text: str) -> Any:
    short = " ".join(text.split())
    return (short[:_SHOWN] + "…" if len(short) > _SHOWN else short) or "an empty body"
