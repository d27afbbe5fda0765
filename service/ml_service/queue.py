"""Jobs in a Redis stream: submitted, taken, answered once, or laid aside as dead."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.retry import Retry

from ml_service.settings import QueueSettings, SettingsError, WorkerSettings

# Longer than any block in a command, so that only a dead connection runs into it.
_SOCKET_TIMEOUT_S = 10.0
_CONNECT_TIMEOUT_S = 5.0
_TRACE = ("traceparent", "tracestate")


@dataclass(frozen=True)
class Job:
    """A job as it was delivered.

    Attributes:
        entry: its place in the stream.
        identity: the sender's name for it; the entry's own where the sender gave none.
        body: what is asked, as JSON text.
        deliveries: how often it was delivered, this time included.
        trace: by which its worker continues the sender's trace: W3C's `traceparent` and `tracestate`, where given.
    """

    entry: str
    identity: str
    body: bytes
    deliveries: int
    trace: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Depth:
    """How much is in the queue: without an answer, not delivered, delivered and not answered, dead; and how old it is.

    Attributes:
        oldest_s: the age of the oldest job without an answer (seconds); 0 where there is none.
    """

    length: int
    lag: int
    pending: int
    dead: int
    oldest_s: float


class _Password(CredentialProvider):
    # Asked at each connection, so that a rotated password is used without a restart.
    def __init__(self, username: str | None, settings: QueueSettings) -> None:
        self._username = username
        self._file: Path | None = settings.redis_password_file
        self._fixed = settings.redis_password

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        if self._file:
            try:
                password = self._file.read_text("utf-8").strip()
            except OSError as error:
                raise redis.AuthenticationError(f"{self._file}: {error.strerror}") from error
        else:
            password = self._fixed.get_secret_value() if self._fixed else ""
        return (self._username, password) if self._username else (password,)


def connect(settings: QueueSettings) -> redis.Redis:
    """Make a client; it connects when it is first used. Retrying is the caller's, who knows what may be repeated.

    Raises:
        SettingsError: the URL is none.
    """
    try:
        options = redis.connection.parse_url(settings.redis_url.get_secret_value())  # type: ignore[no-untyped-call]
    except ValueError as error:
        raise SettingsError(f"ML_REDIS_URL: {error}") from None
    if settings.redis_password_file or settings.redis_password:
        options.pop("password", None)
        options["credential_provider"] = _Password(options.pop("username", None), settings)
    # The answers' shapes below are this protocol's.
    common = {"socket_timeout": _SOCKET_TIMEOUT_S, "retry": Retry(NoBackoff(), 0), "protocol": 2}
    if "path" not in options:
        common |= {"socket_connect_timeout": _CONNECT_TIMEOUT_S, "socket_keepalive": True}
    pool = redis.ConnectionPool(**{**common, **options})
    return redis.Redis(connection_pool=pool)


def result_key(stream: str, identity: str) -> str:
    """Give the key under which a job's result is kept."""
    return f"{stream}:result:{identity}"


def put(client: redis.Redis, stream: str, identity: str, body: bytes, trace: Mapping[str, str] | None = None) -> None:
    """Submit a job; the same identity twice is answered once.

    Args:
        client: a connected Redis client.
        stream: the jobs' stream.
        identity: the sender's name for the job.
        body: what `POST /v1/predict` takes.
        trace: see `Job.trace`.
    """
    fields: Any = {"id": identity, "body": body, **(trace or {})}
    client.xadd(stream, fields)


class JobQueue:
    """The worker's side of the queue.

    Args:
        client: what `connect` made.
        settings: names and limits.
        consumer: this worker's name in the group; no other may have it.
    """

    def __init__(self, client: redis.Redis, settings: WorkerSettings, consumer: str) -> None:
        self._client, self._settings, self._consumer = client, settings, consumer
        self._stream, self._group = settings.stream, settings.group
        self._dead = f"{settings.stream}:dead"

    def ensure_group(self) -> None:
        """Make stream and group where they are missing; jobs that were there before belong to the group."""
        try:
            self._client.xgroup_create(self._stream, self._group, id="0", mkstream=True)
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    def take(self, *, block_ms: int | None) -> list[Job]:
        """Take new jobs.

        Args:
            block_ms: how long to wait for the first one; None: not at all.
        """
        answer: Any = self._client.xreadgroup(
            self._group, self._consumer, {self._stream: ">"}, count=self._settings.batch_jobs, block=block_ms
        )
        entries = answer[0][1] if answer else []
        return [_job(entry, fields, 1) for entry, fields in entries]

    def take_over(self) -> Iterator[Job]:
        """Take the jobs whose worker has not answered for `claim_idle_s`, one at a time.

        One at a time, so that a job that kills its worker costs only itself a delivery.
        """
        start: Any = "0-0"
        while True:
            idle_ms = int(self._settings.claim_idle_s * 1000)
            answer: Any = self._client.xautoclaim(
                self._stream, self._group, self._consumer, idle_ms, start_id=start, count=1
            )
            start, entries = answer[0], answer[1]
            for entry, fields in entries:
                pending: Any = self._client.xpending_range(self._stream, self._group, entry, entry, 1)
                yield _job(entry, fields, pending[0]["times_delivered"] if pending else 1)
            if start in (b"0-0", "0-0"):
                return

    def finish(self, job: Job, result: dict[str, Any], *, dead: bool = False) -> bool:
        """Store a result, unless the job has one, and then acknowledge and delete the entry.

        Args:
            job: what is answered.
            result: what its sender finds.
            dead: keep the job in the dead-letter stream.

        Returns:
            False when the job had a result already, which stays.
        """
        key = result_key(self._stream, job.identity)
        stored = self._client.set(key, json.dumps(result), nx=True, ex=self._settings.result_ttl_s)
        with self._client.pipeline(transaction=True) as transaction:
            if dead:
                fields: Any = {"id": job.identity, "body": job.body, "error": result["error"], "entry": job.entry}
                transaction.xadd(self._dead, fields, maxlen=10_000, approximate=True)
            transaction.xack(self._stream, self._group, job.entry)
            transaction.xdel(self._stream, job.entry)
            transaction.execute()
        return bool(stored)

    def depth(self) -> Depth:
        """Look how much is in the queue."""
        with self._client.pipeline(transaction=False) as look:
            look.xlen(self._stream)
            look.xlen(self._dead)
            look.xinfo_groups(self._stream)
            look.xrange(self._stream, count=1)
            look.time()
            length, dead, groups, first, (seconds, microseconds) = look.execute()
        name = self._group.encode()
        group = next((g for g in groups if g["name"] in (name, self._group)), {"pending": 0})
        pending = int(group["pending"])
        # Redis cannot always tell the lag (entries deleted by hand); answered entries are deleted, so this is it too.
        lag = group.get("lag")
        # An entry's place begins with the millisecond at which Redis took it, by the clock that is asked here too.
        since_ms = seconds * 1000 + microseconds / 1000 - int(first[0][0].split(b"-")[0]) if first else 0
        waiting = max(0, length - pending) if lag is None else int(lag)
        return Depth(length, waiting, pending, dead, max(0.0, since_ms / 1000))

    def leave(self) -> None:
        """Take this worker out of the group, and workers that went away long ago, unless jobs wait in their names."""
        long_ago_ms = max(3_600_000, int(self._settings.claim_idle_s * 2000))
        consumers: Any = self._client.xinfo_consumers(self._stream, self._group)
        for consumer in consumers:
            mine = consumer["name"] in (self._consumer.encode(), self._consumer)
            if consumer["pending"] == 0 and (mine or consumer["idle"] > long_ago_ms):
                self._client.xgroup_delconsumer(self._stream, self._group, consumer["name"])


def _job(entry: bytes, fields: dict[bytes, bytes], deliveries: int) -> Job:
    place = entry.decode()
    identity = fields.get(b"id", b"").decode("utf-8", "replace") or place
    trace = {name: fields[name.encode()].decode("ascii", "replace") for name in _TRACE if name.encode() in fields}
    return Job(place, identity, fields.get(b"body", b""), deliveries, trace)
