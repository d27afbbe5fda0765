"""Traces of requests and jobs. Without an endpoint there are none, and nothing of OpenTelemetry's SDK is imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from ml_service.settings import Settings

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig

    from ml_service.queue import Job


class Tracing:
    """Tells nobody: what is done while no endpoint is set, and what `Exported` does otherwise."""

    @property
    def telemetry(self) -> TelemetryConfig:
        """Give FastAPI's configuration of its own telemetry."""
        return {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}

    def trace_id(self) -> str:
        """Give the trace that this code runs in; empty where there is none."""
        return ""

    def step(self, _name: str, /) -> AbstractContextManager[None]:
        """Tell of a part of the work, by this name, while the block runs."""
        return nullcontext()

    def send(self, _stream: str, _identity: str, /) -> AbstractContextManager[Mapping[str, str]]:
        """Tell that a job of this identity is put into a stream while the block runs.

        Yields:
            Fields for the job's entry, by which its worker continues the trace.
        """
        return nullcontext({})

    def job(self, _stream: str, _group: str, _job: Job, /) -> AbstractContextManager[Callable[[str], None]]:
        """Tell of a job from a stream, for a group, while the block runs: in the trace of whoever sent it.

        Yields:
            What takes the outcome.
        """
        return nullcontext(lambda _outcome: None)

    def close(self) -> None:
        """Send what is left, for as long as a process that ends may still take."""


def start(settings: Settings) -> Tracing:
    """Begin to trace, where an endpoint is set.

    Args:
        settings: says whether; what else there is to say OpenTelemetry's SDK reads from its own variables.
    """
    if not settings.otlp_endpoint:
        return Tracing()
    from ml_service.exported import Exported

    return Exported()
