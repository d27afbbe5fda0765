"""Runs the API: the model loads while probes are answered already; SIGTERM drains."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from pathlib import Path
from types import FrameType

import uvicorn

from ml_service import logs, tracing
from ml_service.api import create_app
from ml_service.inference import InferencePool
from ml_service.keys import ApiKeys
from ml_service.lifecycle import Lifecycle
from ml_service.model import Model, ModelError
from ml_service.settings import ApiSettings, read

# Longer than the idle time of the usual load balancers (60 s): whoever reuses connections should close them.
_KEEP_ALIVE_S = 75

log = logging.getLogger("ml_service.server")


class DrainingServer(uvicorn.Server):
    """A server that first says it is not ready, then serves a while, then stops taking connections.

    Args:
        config: uvicorn's.
        lifecycle: is told that the server drains.
        model_path: what is loaded.
        delay_s: how long requests are still taken after the first signal; a second signal ends the wait.
    """

    def __init__(self, config: uvicorn.Config, lifecycle: Lifecycle, *, model_path: Path, delay_s: float) -> None:
        super().__init__(config)
        self._model_path = model_path
        self._lifecycle = lifecycle
        self._delay_s = delay_s
        self._stop_at = float("inf")
        self.failed = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Begin to drain, or, when draining already, stop at once."""
        self._stop_at = time.monotonic() + (0 if self._lifecycle.draining else self._delay_s)
        self._lifecycle.draining = True

    async def on_tick(self, counter: int) -> bool:
        """Do uvicorn's housekeeping (ten times a second), and end when the delay has passed."""
        self.should_exit = self.should_exit or time.monotonic() >= self._stop_at
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then load the model beside it, so that probes are answered from the first moment."""
        await super().startup(sockets)
        port = self.servers[0].sockets[0].getsockname()[1]
        log.info("listening", extra={"fields": {"port": port, "pid": os.getpid()}})
        self._loading = asyncio.create_task(self._load())

    async def _load(self) -> None:
        try:
            model = await asyncio.to_thread(Model.load, self._model_path)
        except ModelError as error:
            log.error("the model cannot be loaded", extra={"fields": {"error": str(error)}})  # noqa: TRY400
            self.failed = self.should_exit = True
            return
        self._lifecycle.model = model
        log.info("ready", extra={"fields": {"model": model.name, "version": model.version}})


def serve() -> int:
    """Serve until a signal.

    Returns:
        0 after a drain, 1 when the model cannot be loaded or the port is taken.

    Raises:
        SettingsError: the environment is wrong.
    """
    settings = read(ApiSettings)
    logs.configure(settings.log_level)
    traces = tracing.start(settings)
    lifecycle = Lifecycle()
    keys = ApiKeys(settings)
    pool = InferencePool(workers=settings.concurrency, queue=settings.max_queue)
    config = uvicorn.Config(
        create_app(settings, lifecycle, pool, keys, traces),
        host=settings.host,
        port=settings.port,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, round(settings.drain_timeout_s)),
    )
    server = DrainingServer(config, lifecycle, model_path=settings.model_path, delay_s=settings.drain_delay_s)
    began = time.monotonic()
    try:
        server.run()
    except SystemExit:
        # uvicorn's way to say that the port is taken; it has logged why.
        server.failed = True
    pool.close()
    traces.close()
    log.info("stopped", extra={"fields": {"seconds": round(time.monotonic() - began, 1)}})
    return 1 if server.failed else 0
