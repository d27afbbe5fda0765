"""The worker: takes jobs, asks the model, stores the result, and only then acknowledges the job."""

from __future__ import annotations

import logging
import os
import random
import signal
import socket
import threading
import time
import uuid
from collections.abc import Iterable
from types import FrameType
from typing import Any

import redis

from ml_service import logs
from ml_service.answer import InvalidBodyError, answer
from ml_service.metrics import WorkerMetrics
from ml_service.model import Model, ModelError
from ml_service.queue import Job, JobQueue, connect
from ml_service.settings import WorkerSettings, read
from ml_service.status import Health, serve_status
from ml_service.tracing import Tracing, start

_BLOCK_MS = 1000
_LONGEST_PAUSE_S = 5.0

log = logging.getLogger("ml_service.worker")


class Worker:
    """Works through a queue until it is stopped, or until the queue is empty.

    Args:
        settings: limits.
        queue: where jobs come from.
        model: who answers.
        metrics, health, tracing: told what happens.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        queue: JobQueue,
        model: Model,
        metrics: WorkerMetrics,
        health: Health,
        *,
        tracing: Tracing,
    ) -> None:
        self._settings, self._queue, self._model = settings, queue, model
        self._metrics, self._health, self._tracing = metrics, health, tracing
        self._stop = threading.Event()
        self._deadline = float("inf")
        self._next_claim = 0.0

    def stop(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """Take no more jobs; those already taken have `drain_timeout_s` (a signal handler)."""
        self._deadline = time.monotonic() + self._settings.drain_timeout_s
        self._health.draining = True
        self._stop.set()

    def run(self, *, until_empty: bool) -> None:
        """Work; errors of Redis are waited out, with a pause that grows."""
        failures = 0
        while not self._stop.is_set():
            self._health.beat()
            try:
                if failures or not self._health.connected:
                    self._queue.ensure_group()
                    self._set_connected(up=True)
                busy = self._round(block=not until_empty)
                failures = 0
                if until_empty and not busy and self._is_empty():
                    break
            except redis.RedisError as error:
                failures += 1
                self._set_connected(up=False)
                pause = min(_LONGEST_PAUSE_S, 0.1 * 2 ** min(failures, 10)) * random.uniform(0.5, 1)  # noqa: S311
                fields = {"error": f"{type(error).__name__}: {error}", "again_in_s": round(pause, 2)}
                log.warning("Redis cannot be used", extra={"fields": fields})
                self._stop.wait(pause)
        try:
            self._queue.leave()
        except redis.RedisError:
            # The group's list of workers is tidied by the next one that leaves.
            log.info("left without a word: Redis cannot be used")

    def _set_connected(self, *, up: bool) -> None:
        if up and not self._health.connected:
            log.info("connected to Redis")
        self._health.connected = up
        self._metrics.redis_up.set(up)

    def _round(self, *, block: bool) -> bool:
        worked = False
        if time.monotonic() >= self._next_claim:
            worked = self._work(self._queue.take_over())
            # Often enough that an abandoned job waits little longer than it must.
            self._next_claim = time.monotonic() + self._settings.claim_idle_s / 4
            self._look()
        if not self._stop.is_set():
            worked = self._work(self._queue.take(block_ms=_BLOCK_MS if block else None)) or worked
            if worked:
                self._look()
        return worked

    def _is_empty(self) -> bool:
        depth = self._queue.depth()
        if depth.lag or depth.pending:
            # What another worker holds is either answered by it or taken over here: wait for either.
            self._stop.wait(min(1.0, self._settings.claim_idle_s / 4))
            return False
        return True

    def _look(self) -> None:
        depth = self._queue.depth()
        self._metrics.length.set(depth.length)
        self._metrics.lag.set(depth.lag)
        self._metrics.pending.set(depth.pending)
        self._metrics.dead.set(depth.dead)
        self._metrics.oldest.set(depth.oldest_s)

    def _work(self, jobs: Iterable[Job]) -> bool:
        worked = False
        for job in jobs:
            if time.monotonic() >= self._deadline:
                log.warning("no time left; another worker takes over what is not answered")
                break
            self._health.beat()
            with self._tracing.job(self._settings.stream, self._settings.group, job) as ended:
                ended(self._work_on(job))
            worked = True
        return worked

    def _work_on(self, job: Job) -> str:
        token = logs.trace_id.set(self._tracing.trace_id())
        began = time.perf_counter()
        try:
            outcome = self._answer(job)
            seconds = time.perf_counter() - began
            self._metrics.jobs.labels(outcome).inc()
            self._metrics.duration.observe(seconds)
            fields = {"job": job.identity, "outcome": outcome, "ms": round(seconds * 1000, 2)}
            log.info("job", extra={"fields": fields | {"deliveries": job.deliveries}})
        finally:
            logs.trace_id.reset(token)
        return outcome

    def _answer(self, job: Job) -> str:
        outcome, dead = "done", False
        if job.deliveries > self._settings.max_deliveries:
            result: dict[str, Any] = _failed(job, f"no answer after {job.deliveries - 1} deliveries")
            outcome, dead = "failed", True
        else:
            try:
                content = answer(self._model, job.body, max_batch=self._settings.max_batch)
                result = {"id": job.identity, "status": "done", "result": content}
            except InvalidBodyError as error:
                result = _failed(job, str(error))
                outcome, dead = "failed", True
            except Exception:
                # Left without an acknowledgement: delivered again after a while, a limited number of times.
                log.exception("job raised an error", extra={"fields": {"job": job.identity}})
                return "retried"
        return outcome if self._queue.finish(job, result, dead=dead) else "duplicate"


def _failed(job: Job, error: str) -> dict[str, Any]:
    return {"id": job.identity, "status": "failed", "error": error}


def work(*, until_empty: bool) -> int:
    """Run the worker in this process, with its status server beside it.

    Returns:
        0 after a stop, or when the queue is empty; 1 when the model cannot be loaded or the port is taken.

    Raises:
        SettingsError: the environment is wrong.
    """
    settings = read(WorkerSettings)
    logs.configure(settings.log_level)
    client = connect(settings)
    metrics, health, tracing = WorkerMetrics(), Health(), start(settings)
    try:
        model = Model.load(settings.model_path)
        metrics.model.info({"name": model.name, "version": model.version})
        consumer = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        worker = Worker(settings, JobQueue(client, settings, consumer), model, metrics, health, tracing=tracing)
        signal.signal(signal.SIGTERM, worker.stop)
        signal.signal(signal.SIGINT, worker.stop)
        with serve_status(settings.metrics_port, health, metrics.registry) as port:
            log.info("working", extra={"fields": {"consumer": consumer, "stream": settings.stream, "port": port}})
            worker.run(until_empty=until_empty)
    except (ModelError, OSError) as error:
        log.error("the worker cannot start", extra={"fields": {"error": str(error)}})  # noqa: TRY400
        return 1
    finally:
        tracing.close()
    log.info("stopped")
    return 0
