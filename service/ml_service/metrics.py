"""Prometheus metrics of both entry points, each in a registry of its own."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

# A second series for each counter, of which no query here makes use.
disable_created_metrics()  # type: ignore[no-untyped-call]

# The service's objective is in the tens of milliseconds, so that is where the buckets are dense.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class _Metrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.model = Info("ml_model", "Which model answers.", registry=self.registry)


class ApiMetrics(_Metrics):
    """What the API counts."""

    def __init__(self) -> None:
        super().__init__()
        self.requests = Counter(
            "ml_requests", "Requests answered.", ["method", "path", "status"], registry=self.registry
        )
        self.duration = Histogram(
            "ml_request_duration_seconds", "Time to answer.", ["path"], buckets=_SECONDS, registry=self.registry
        )
        self.in_flight = Gauge("ml_requests_in_flight", "Requests under way.", registry=self.registry)
        self.inference = Histogram(
            "ml_inference_duration_seconds",
            "Time of one inference, reading the body included.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.queue = Gauge("ml_inference_queue", "Requests that wait for an inference.", registry=self.registry)


class WorkerMetrics(_Metrics):
    """What the worker counts, and what it last saw in the queue."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs = Counter(
            "ml_jobs", "Jobs by outcome: done, failed, duplicate, retried.", ["outcome"], registry=self.registry
        )
        for outcome in ("done", "failed", "duplicate", "retried"):
            self.jobs.labels(outcome)
        self.duration = Histogram(
            "ml_job_duration_seconds", "Time of one job.", buckets=_SECONDS, registry=self.registry
        )
        self.length = Gauge("ml_queue_length", "Jobs without an answer.", registry=self.registry)
        self.lag = Gauge("ml_queue_lag", "Jobs not yet delivered to a worker.", registry=self.registry)
        self.pending = Gauge("ml_queue_pending", "Jobs delivered and not answered.", registry=self.registry)
        self.dead = Gauge("ml_queue_dead", "Jobs in the dead-letter stream.", registry=self.registry)
        self.oldest = Gauge(
            "ml_queue_oldest_seconds", "Age of the oldest job without an answer.", registry=self.registry
        )
        self.redis_up = Gauge("ml_redis_up", "1 while Redis answers.", registry=self.registry)
