"""SIGTERM under load: not ready first, then no new connections, and no request lost."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
import time
from pathlib import Path

import httpx2
import pytest

from ml_service.inference import BusyError, InferencePool
from tests.unit.service.support import DIGITS, Api, api, wait_for


def test_no_request_fails_while_the_server_drains(model: Path) -> None:
    """Clients behave as a load balancer does: they leave as soon as the server says that it is not ready."""
    with api(model, ML_DRAIN_DELAY_S="60") as running:
        running.ready()
        leave = threading.Event()
        statuses: list[int | str] = []

        def ask() -> None:
            with running.client() as client:
                while not leave.is_set():
                    try:
                        statuses.append(client.post("/v1/predict", json={"images": [DIGITS[7]] * 20}).status_code)
                    except httpx2.HTTPError as error:
                        statuses.append(repr(error))

        clients = [threading.Thread(target=ask) for _ in range(4)]
        for client in clients:
            client.start()
        wait_for("traffic", lambda: len(statuses) > 50)
        running.signal(signal.SIGTERM)
        with running.client() as probe:
            wait_for("/readyz to refuse", lambda: probe.get("/readyz").status_code == 503)
            before = len(statuses)
            assert probe.get("/healthz").status_code == 200
            wait_for("requests answered while it drains", lambda: len(statuses) > before + 20)
            leave.set()
        for client in clients:
            client.join()
        # A second signal ends the wait.
        running.signal(signal.SIGTERM)
        assert running.ended() == 0
    assert set(statuses) == {200}


def test_while_draining_each_answer_closes_its_connection(model: Path) -> None:
    with api(model, ML_DRAIN_DELAY_S="20") as running, running.ready().client() as client:
        assert "connection" not in client.get("/healthz").headers
        running.signal(signal.SIGTERM)
        wait_for("/readyz to refuse", lambda: client.get("/readyz").json() == {"status": "draining"})
        assert client.post("/v1/predict", json={"image": DIGITS[0]}).headers["connection"] == "close"
        running.signal(signal.SIGTERM)
        assert running.ended() == 0


def half_a_request(running: Api) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", running.port), timeout=20)
    connection.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{")
    with running.client() as client:
        wait_for("the request to be under way", lambda: "ml_requests_in_flight 2.0" in client.get("/metrics").text)
    return connection


def refuses(running: Api) -> bool:
    try:
        socket.create_connection(("127.0.0.1", running.port), timeout=5).close()
    except OSError:
        return True
    return False


def test_a_request_under_way_is_answered_although_no_more_are_taken(model: Path) -> None:
    with api(model) as running:
        with half_a_request(running.ready()) as connection:
            running.signal(signal.SIGTERM)
            wait_for("the port to close", lambda: refuses(running))
            connection.sendall(b"}")
            assert b"422" in connection.recv(10_000)
        assert running.ended() == 0


def test_a_request_that_takes_too_long_does_not_hold_the_process(model: Path) -> None:
    with api(model, ML_DRAIN_TIMEOUT_S="1") as running, half_a_request(running.ready()):
        began = time.monotonic()
        running.signal(signal.SIGTERM)
        assert running.ended() == 0
        # The deadline, and not the body's own (10 s), ended it.
        assert time.monotonic() - began < 9


def test_the_pool_takes_so_much_and_no_more() -> None:
    async def scenario() -> None:
        pool = InferencePool(workers=2, queue=1)
        proceed = threading.Event()
        running = threading.Semaphore(0)

        def work() -> str:
            running.release()
            assert proceed.wait(20)
            return "done"

        tasks = [asyncio.create_task(pool.run(work)) for _ in range(3)]
        for _ in range(2):
            assert await asyncio.to_thread(running.acquire, True, 20)
        assert not running.acquire(blocking=False), "three ran at once"
        assert pool.waiting == 1
        with pytest.raises(BusyError):
            await pool.run(work)
        proceed.set()
        assert await asyncio.gather(*tasks) == ["done"] * 3
        assert pool.waiting == 0
        assert await pool.run(lambda: "again") == "again"
        pool.close()

    asyncio.run(scenario())
