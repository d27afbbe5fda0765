"""Configuration from environment variables; service/README.md is its table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

Port = Annotated[int, Field(ge=0, le=65535)]
Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
# Without user and password: OpenTelemetry's SDK writes it into its messages.
Endpoint = Annotated[
    str, Field(pattern=r"^(https?://[^@/?#\s]+(/[^@?#\s]*)?)?$", validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")
]


class SettingsError(Exception):
    """A variable has a value that cannot be used; the message names the variable, never a secret's value."""


class Settings(BaseSettings):
    """What both entry points share."""

    model_config = SettingsConfigDict(env_prefix="ML_", extra="ignore", frozen=True, env_ignore_empty=True)

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    model_path: Path = Path("/app/model/digits.onnx")
    max_batch: Count = 256
    drain_timeout_s: Seconds = 20
    otlp_endpoint: Endpoint = ""


class ApiSettings(Settings):
    """What the API reads besides."""

    # All interfaces: a pod has one, and its NetworkPolicy says who reaches it.
    host: str = "0.0.0.0"  # noqa: S104
    port: Port = 8000
    api_keys: SecretStr | None = None
    api_keys_file: Path | None = None
    max_body_bytes: Count = 1_048_576
    body_timeout_s: Annotated[float, Field(gt=0)] = 10
    concurrency: Count = 2
    max_queue: Annotated[int, Field(ge=0)] = 128
    drain_delay_s: Seconds = 5


class QueueSettings(Settings):
    """Where the jobs are; what `submit` needs."""

    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    redis_password: SecretStr | None = None
    redis_password_file: Path | None = None
    stream: Annotated[str, Field(min_length=1)] = "ml:jobs"


class WorkerSettings(QueueSettings):
    """What the worker reads besides."""

    metrics_port: Port = 9090
    group: Annotated[str, Field(min_length=1)] = "ml-batch"
    batch_jobs: Count = 8
    claim_idle_s: Annotated[float, Field(gt=0)] = 30
    max_deliveries: Count = 5
    result_ttl_s: Count = 86_400


T = TypeVar("T", bound=Settings)


def read(kind: type[T]) -> T:
    """Read the settings from this process's environment.

    Raises:
        SettingsError: a variable is not what it must be.
    """
    try:
        return kind()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        name = "".join(str(part) for part in first["loc"]).upper()
        # OpenTelemetry's own variables are named as everywhere.
        prefix = "" if name.startswith(("ML_", "OTEL_")) else "ML_"
        raise SettingsError(f"{prefix}{name}: {first['msg']}") from None
