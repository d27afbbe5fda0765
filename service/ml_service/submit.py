"""Submits a job and waits for its result: for people, and for code that has the service's package."""

from __future__ import annotations

import json
import sys
import time
import uuid
from typing import Any

import redis

from ml_service.queue import connect, put, result_key
from ml_service.settings import QueueSettings, read
from ml_service.tracing import Tracing, start


class NoResultError(Exception):
    """The result did not come in time; the job may still be answered."""


def ask(
    client: redis.Redis,
    stream: str,
    body: bytes,
    *,
    timeout_s: float,
    identity: str = "",
    tracing: Tracing | None = None,
) -> dict[str, Any]:
    """Submit a job and wait for its result.

    Args:
        client: a connected Redis client.
        stream: the jobs' stream.
        body: what `POST /v1/predict` takes.
        timeout_s: how long to wait for the result.
        identity: the job's id; default: a new one.
        tracing: told of the job, which then continues the trace; default: nobody.

    Returns:
        The result: `id`, `status` (done or failed), and `result` or `error`.

    Raises:
        NoResultError: see there.
        redis.RedisError: Redis cannot be used.
    """
    identity = identity or uuid.uuid4().hex
    with (tracing or Tracing()).send(stream, identity) as trace:
        put(client, stream, identity, body, trace)
    deadline = time.monotonic() + timeout_s
    pause = 0.01
    while True:
        found: Any = client.get(result_key(stream, identity))
        if found is not None:
            return dict(json.loads(found))
        if time.monotonic() >= deadline:
            raise NoResultError(f"no result for job {identity} within {timeout_s:g} s")
        time.sleep(pause)
        pause = min(0.25, pause * 1.5)


def submit(body: bytes, *, timeout_s: float = 30) -> int:
    """Run `ask` as a command: the result goes to stdout.

    Returns:
        0 when the job was answered, 1 when it failed or no result came.

    Raises:
        SettingsError: the environment is wrong.
    """
    settings = read(QueueSettings)
    tracing = start(settings)
    try:
        result = ask(connect(settings), settings.stream, body, timeout_s=timeout_s, tracing=tracing)
    except (NoResultError, redis.RedisError) as error:
        sys.stderr.write(f"ml_service: {error}\n")
        return 1
    finally:
        tracing.close()
    sys.stdout.write(json.dumps(result) + "\n")
    return 0 if result["status"] == "done" else 1
