"""The HTTP API: routes, what they refuse, and their OpenAPI description."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import APIKeyHeader
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from ml_service.answer import BatchAnswer, InvalidBodyError, PredictRequest, Problem, SingleAnswer, answer
from ml_service.inference import BusyError, InferencePool
from ml_service.keys import ApiKeys
from ml_service.lifecycle import Lifecycle
from ml_service.metrics import ApiMetrics
from ml_service.observe import Observe
from ml_service.settings import ApiSettings
from ml_service.tracing import Tracing

VERSION = "1"
_HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="Needed when keys are configured.")
_CLOSE = {"connection": "close"}


class Refusal(BaseModel):
    """Why a request was refused."""

    detail: str


class InvalidBody(BaseModel):
    """What is wrong with a body."""

    detail: list[Problem]


class Status(BaseModel):
    """Where the process is in its life."""

    status: str


def create_app(
    settings: ApiSettings, lifecycle: Lifecycle, pool: InferencePool, keys: ApiKeys, tracing: Tracing
) -> Observe:
    """Put the API together.

    Args:
        settings: limits.
        lifecycle: holds the model once it is loaded.
        pool: where inferences run.
        keys: who may ask.
        tracing: told of each request for a prediction.
    """
    metrics = ApiMetrics()
    metrics.queue.set_function(lambda: pool.waiting)
    # The interactive pages load scripts from elsewhere; the description itself is enough.
    app = FastAPI(
        title="ML service",
        version=VERSION,
        docs_url=None,
        redoc_url=None,
        max_body_size=settings.max_body_bytes,
        telemetry=tracing.telemetry,
    )

    def authorised(key: Annotated[str | None, Depends(_HEADER)]) -> None:
        if not keys.accepts(key):
            raise HTTPException(401, "X-API-Key is missing or wrong", {"www-authenticate": "ApiKey", **_CLOSE})

    @app.exception_handler(InvalidBodyError)
    async def invalid(_: Request, error: InvalidBodyError) -> Response:
        return JSONResponse({"detail": [problem.model_dump() for problem in error.problems]}, 422)

    @app.post(
        "/v1/predict",
        dependencies=[Depends(authorised)],
        response_model=SingleAnswer | BatchAnswer,
        responses={
            **{code: {"model": Refusal, "description": text} for code, text in _REFUSALS.items()},
            413: {"description": "The body is too large"},
            422: {"model": InvalidBody, "description": "The body is not what the schema says"},
        },
        openapi_extra={"requestBody": _body_description()},
    )
    async def predict(request: Request) -> Response:
        """Name the digit in one 8x8 image, or in each of several."""
        model = lifecycle.model
        if model is None:
            raise HTTPException(503, "the model is still loading", {"retry-after": "1", **_CLOSE})
        body = await _read(request, settings)

        def work() -> bytes:
            began = time.perf_counter()
            with tracing.step("inference"):
                content = json.dumps(answer(model, body, max_batch=settings.max_batch)).encode()
            metrics.inference.observe(time.perf_counter() - began)
            return content

        try:
            return Response(await pool.run(work), media_type="application/json")
        except BusyError:
            raise HTTPException(503, "too many requests wait", {"retry-after": "1"}) from None

    _add_status(app, lifecycle, metrics)
    return Observe(app, lifecycle=lifecycle, metrics=metrics, tracing=tracing)


def _add_status(app: FastAPI, lifecycle: Lifecycle, metrics: ApiMetrics) -> None:
    @app.get("/healthz", response_model=Status)
    async def healthz() -> Response:
        """Tell that the process works."""
        return JSONResponse({"status": "ok"})

    @app.get("/readyz", response_model=Status, responses={503: {"model": Status, "description": "Not ready"}})
    async def readyz() -> Response:
        """Tell whether requests should come here."""
        return JSONResponse({"status": lifecycle.state}, 200 if lifecycle.state == "ready" else 503)

    @app.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def prometheus() -> Response:
        """Give the metrics in Prometheus's text format."""
        if lifecycle.model:
            metrics.model.info({"name": lifecycle.model.name, "version": lifecycle.model.version})
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)


_REFUSALS = {
    401: "X-API-Key is missing or wrong",
    408: "The body did not arrive in time",
    503: "Loading, or too busy",
}


async def _read(request: Request, settings: ApiSettings) -> bytes:
    try:
        async with asyncio.timeout(settings.body_timeout_s):
            return await request.body()
    except TimeoutError:
        raise HTTPException(408, f"the body did not arrive within {settings.body_timeout_s:g} s", _CLOSE) from None
    except ClientDisconnect:
        raise HTTPException(400, "the client went away", _CLOSE) from None


def _body_description() -> dict[str, Any]:
    # The body is read by hand (its limits come before its parsing), so FastAPI does not describe it.
    schema = PredictRequest.model_json_schema()
    return {"required": True, "content": {"application/json": {"schema": schema}}}
