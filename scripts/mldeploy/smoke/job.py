"""The job check: a job goes into a Redis stream through a forward, and its result must come out."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

from mldeploy.smoke.declaration import JobCheck
from mldeploy.smoke.forward import Forward
from mldeploy.smoke.result import FailedError, difference

_FIRST_LOOK_S = 0.005
_LONGEST_LOOK_S = 0.1


def check_job(check: JobCheck, forward: Forward, password: str, deadline: float) -> None:
    """Submit a job and compare its result; the queue is left as it was found.

    What a job and its result look like: service/README.md.

    Args:
        check: what is asked and expected.
        forward: the way to the Redis that holds the queue.
        password: what it asks for; empty where it asks for none.
        deadline: on the monotonic clock.

    Raises:
        FailedError: Redis cannot be used, no result came in time, or another one than expected.
    """
    import redis

    identity = f"smoke-{uuid.uuid4().hex}"
    key = f"{check.stream}:result:{identity}"
    client = redis.Redis(
        host="127.0.0.1",
        port=forward.port,
        password=password or None,
        socket_timeout=max(0.001, deadline - time.monotonic()),
        protocol=2,
    )
    try:
        entry = client.xadd(check.stream, {"id": identity, "body": json.dumps(check.body)})
        try:
            found = _wait(client, key, deadline)
            if found is None:
                raise FailedError(f"no result for a job in {check.stream}: {_state(client, check.stream)}")
        finally:
            # Also a job that nobody has taken: it must not wait there for a worker that comes later.
            client.xdel(check.stream, entry)
            client.delete(key)
    except redis.RedisError as error:
        raise FailedError(f"Redis cannot be used: {forward.last_failure or error}") from error
    finally:
        client.close()
    if check.result is not None and (wrong := difference(check.result, json.loads(found), "result")):
        raise FailedError(f"the job's answer: {wrong}")


def _wait(client: Any, key: str, deadline: float) -> bytes | None:
    # A result is a plain key, for which Redis has no blocking read; the looks are a round trip each.
    pause = _FIRST_LOOK_S
    while True:
        found: bytes | None = client.get(key)
        if found is not None or time.monotonic() >= deadline:
            return found
        time.sleep(min(pause, max(0.0, deadline - time.monotonic())))
        pause = min(_LONGEST_LOOK_S, pause * 1.5)


def _state(client: Any, stream: str) -> str:
    """Describe the queue: how many jobs wait, and whether anybody takes them."""
    groups = client.xinfo_groups(stream)
    waiting = f"jobs in the stream: {client.xlen(stream)}"
    if not groups:
        return f"{waiting}; no worker has ever been there (no consumer group)"
    workers = "; ".join(
        f"in group {group['name'].decode()}: workers: {group['consumers']}, jobs taken: {group['pending']}"
        for group in groups
    )
    return f"{waiting}; {workers}"
