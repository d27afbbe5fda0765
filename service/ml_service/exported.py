"""Traces by OpenTelemetry, sent to a collector by OTLP over HTTP; one that is slow or away costs its traces alone."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ml_service.queue import Job
from ml_service.tracing import Tracing

if TYPE_CHECKING:
    # The worker has no need of FastAPI.
    from fastapi.telemetry import TelemetryConfig

# Part of the 5 s that a pod's grace period has beside its drain.
_CLOSE_S = 2.0
_PREDICT = "/v1/predict"


class _WithoutQuery(SpanProcessor):
    # No request needs one; what somebody writes there by mistake, a key perhaps, is not for a collector.
    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002 - the SDK's signature
        if "url.query" in (span.attributes or {}):
            span.set_attribute("url.query", "REDACTED")


class Exported(Tracing):
    """Tells a collector; sampling, names and further attributes are in OpenTelemetry's own variables (`OTEL_...`)."""

    def __init__(self) -> None:
        resource = Resource.create({"service.instance.id": f"{socket.gethostname()}-{os.getpid()}"})
        # Ended by `close`, which knows how long that may take; the SDK's own hook at the process's end does not.
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(_WithoutQuery())
        # Its queue is limited, and its thread alone talks to the collector.
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("ml_service")
        self._propagator = TraceContextTextMapPropagator()

    @property
    def telemetry(self) -> TelemetryConfig:
        """See `Tracing.telemetry`: requests for predictions, and nothing of what is inside FastAPI."""
        return {
            "tracer_provider": self._provider,
            "tracing": True,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
            "exclude": lambda scope: scope["path"] != _PREDICT,
        }

    def trace_id(self) -> str:
        """See `Tracing.trace_id`; a trace that is not sampled has an id too."""
        context = trace.get_current_span().get_span_context()
        return trace.format_trace_id(context.trace_id) if context.is_valid else ""

    @contextmanager
    def step(self, name: str, /) -> Iterator[None]:
        """See `Tracing.step`."""
        with self._span(name, SpanKind.INTERNAL, {}, None):
            yield

    @contextmanager
    def send(self, stream: str, identity: str, /) -> Iterator[Mapping[str, str]]:
        """See `Tracing.send`; the trace of whoever started this process is continued (`TRACEPARENT`, `TRACESTATE`)."""
        given = {name: os.environ[name.upper()] for name in self._propagator.fields if name.upper() in os.environ}
        attributes = _messaging("send", stream, identity)
        with self._span(f"send {stream}", SpanKind.PRODUCER, attributes, self._propagator.extract(given)):
            fields: dict[str, str] = {}
            self._propagator.inject(fields)
            yield fields

    @contextmanager
    def job(self, stream: str, group: str, job: Job, /) -> Iterator[Callable[[str], None]]:
        """See `Tracing.job`."""
        attributes = _messaging("process", stream, job.identity) | {
            "messaging.consumer.group.name": group,
            "messaging.message.id": job.entry,
            "ml.job.deliveries": job.deliveries,
        }
        # A context that cannot be read begins a new trace, as the recommendation says.
        parent = self._propagator.extract(job.trace, Context())
        with self._span(f"process {stream}", SpanKind.CONSUMER, attributes, parent) as span:

            def ended(outcome: str) -> None:
                span.set_attribute("ml.job.outcome", outcome)
                # A wrong body is its sender's mistake, as a 422 is.
                if outcome == "retried":
                    span.set_status(StatusCode.ERROR)

            yield ended

    def close(self) -> None:
        """See `Tracing.close`."""
        # Beside, and left behind: the SDK waits for an answer that is under way, however long.
        closing = threading.Thread(target=self._provider.shutdown, name="tracing-close", daemon=True)
        closing.start()
        closing.join(_CLOSE_S)

    @contextmanager
    def _span(
        self, name: str, kind: SpanKind, attributes: Mapping[str, str | int], parent: Context | None
    ) -> Iterator[trace.Span]:
        # Of an error its type: its text may hold what was sent.
        with self._tracer.start_as_current_span(
            name, parent, kind, attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield span
            except Exception as error:
                span.set_attribute("error.type", type(error).__qualname__)
                span.set_status(StatusCode.ERROR)
                raise


def _messaging(operation: str, stream: str, identity: str) -> dict[str, str | int]:
    return {
        "messaging.system": "redis",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": stream,
        "messaging.message.conversation_id": identity,
    }
