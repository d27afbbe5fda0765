"""The declared checks: `values/smoke.yaml` for every environment, `values/smoke.<environment>.yaml` for differences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from mldeploy.errors import MldeployError
from mldeploy.values import Document, Keys, Release, merge, read
from mldeploy.values.validation import Schema, SchemaError

_SCHEMA = Path(__file__).with_name("schema.json")
_DEADLINE_S = 10.0


@dataclass(frozen=True)
class SecretValue:
    """A value that stays in the cluster until it is needed: a Secret's name and the key in it."""

    secret: str
    key: str


@dataclass(frozen=True)
class Request:
    """An HTTP request: `body`, if it is not None, is sent as JSON."""

    path: str
    method: str
    headers: Mapping[str, str | SecretValue] = field(default_factory=dict)
    body: Any = None


@dataclass(frozen=True)
class HttpCheck:
    """One request; `answer`, if it is not None, is JSON that the answer must contain."""

    request: Request
    status: int
    answer: Any = None


@dataclass(frozen=True)
class LatencyCheck:
    """Requests one after the other; `milliseconds` are bounds by percentile (50, 99)."""

    request: Request
    requests: int
    milliseconds: Mapping[int, float]


@dataclass(frozen=True)
class JobCheck:
    """A job for a Redis stream; `result`, if it is not None, is JSON that the result must contain."""

    stream: str
    body: Any
    result: Any = None
    password: SecretValue | None = None


@dataclass(frozen=True)
class Check:
    """A declared check, with the time that it may take, in seconds."""

    name: str
    deadline_s: float
    ask: HttpCheck | LatencyCheck | JobCheck


@dataclass(frozen=True)
class ServiceChecks:
    """A service's checks, and the Service and port that they are sent to."""

    release: Release
    target: str
    port: int
    checks: tuple[Check, ...]


def declared(root: Path, release: Release) -> ServiceChecks:
    """Read the checks of a release.

    Args:
        root: the checkout.
        release: whose environment and service say which.

    Raises:
        MldeployError: a file is missing, no YAML or not what the schema asks for (path:line:column), or
            declares nothing for this service.
    """
    documents = [read(root / "values" / "smoke.yaml")]
    own = root / "values" / f"smoke.{release.environment}.yaml"
    if own.is_file():
        documents.append(read(own))
    values: dict[str, Any] = {}
    for document in documents:
        values = merge(values, document.values)
    errors = Schema(_SCHEMA).errors(values)
    if errors:
        raise MldeployError(
            f"{_place(documents, errors[0].keys)}: {_words(errors[0])}",
            remedy=f"see the descriptions in {_SCHEMA.name} beside the smoke package, which editors show too",
        )
    if release.service not in values:
        raise MldeployError(
            f"{documents[0].path}:1:1: no checks are declared for {release.service}",
            remedy=f"add it (there are: {', '.join(values)})",
        )
    return _service(cast(dict[str, Any], values[release.service]), release)


def _place(documents: list[Document], keys: Keys) -> str:
    found = [entry for document in reversed(documents) if (entry := document.nearest(keys))]
    deepest = max(found, key=lambda entry: len(entry.keys), default=None)
    return str(deepest.key_position) if deepest else f"{documents[0].path}:1:1"


def _words(error: SchemaError) -> str:
    where = ".".join(map(str, error.keys))
    return f"{where}: {error.message}" if where else error.message


def _service(spec: dict[str, Any], release: Release) -> ServiceChecks:
    return ServiceChecks(
        release=release,
        target=_named(spec["forward"]["service"], release),
        port=spec["forward"]["port"],
        checks=tuple(_check(name, one, release) for name, one in spec["checks"].items() if one is not None),
    )


def _named(text: str, release: Release) -> str:
    return text.replace("{release}", release.name)


def _check(name: str, spec: dict[str, Any], release: Release) -> Check:
    ask: HttpCheck | LatencyCheck | JobCheck
    if "http" in spec:
        http = spec["http"]
        ask = HttpCheck(_request(http, release), http.get("status", 200), http.get("answer"))
    elif "latency" in spec:
        latency = spec["latency"]
        bounds = {int(percentile[1:]): float(bound) for percentile, bound in latency["milliseconds"].items()}
        ask = LatencyCheck(_request(latency, release), latency["requests"], bounds)
    else:
        job = spec["job"]
        password = _secret(job["password"], release) if "password" in job else None
        ask = JobCheck(job["stream"], job["body"], job.get("result"), password)
    return Check(name, float(spec.get("deadlineSeconds", _DEADLINE_S)), ask)


def _request(spec: dict[str, Any], release: Release) -> Request:
    headers: dict[str, str | SecretValue] = {}
    for name, value in spec.get("headers", {}).items():
        headers[name] = value if isinstance(value, str) else _secret(value, release)
    body = spec.get("body")
    return Request(spec["path"], spec.get("method", "GET" if body is None else "POST"), headers, body)


def _secret(spec: dict[str, str], release: Release) -> SecretValue:
    return SecretValue(_named(spec["secret"], release), spec["key"])
