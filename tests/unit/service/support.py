"""Starts the service's processes as the image does, and a Redis server, all on loopback or a socket of their own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import redis

from mldeploy import process

ROOT = Path(__file__).parents[3]
DEADLINE_S = 30.0

# The first images of scikit-learn's digits, by what they show.
DIGITS: dict[int, list[list[int]]] = {
    0: [
        [0, 0, 5, 13, 9, 1, 0, 0],
        [0, 0, 13, 15, 10, 15, 5, 0],
        [0, 3, 15, 2, 0, 11, 8, 0],
        [0, 4, 12, 0, 0, 8, 8, 0],
        [0, 5, 8, 0, 0, 9, 8, 0],
        [0, 4, 11, 0, 1, 12, 7, 0],
        [0, 2, 14, 5, 10, 12, 0, 0],
        [0, 0, 6, 13, 10, 0, 0, 0],
    ],
    4: [
        [0, 0, 0, 1, 11, 0, 0, 0],
        [0, 0, 0, 7, 8, 0, 0, 0],
        [0, 0, 1, 13, 6, 2, 2, 0],
        [0, 0, 7, 15, 0, 9, 8, 0],
        [0, 5, 16, 10, 0, 16, 6, 0],
        [0, 4, 15, 16, 13, 16, 1, 0],
        [0, 0, 0, 3, 15, 10, 0, 0],
        [0, 0, 0, 2, 16, 4, 0, 0],
    ],
    7: [
        [0, 0, 7, 8, 13, 16, 15, 1],
        [0, 0, 7, 7, 4, 11, 12, 0],
        [0, 0, 0, 0, 8, 13, 1, 0],
        [0, 4, 8, 8, 15, 15, 6, 0],
        [0, 2, 11, 15, 15, 4, 0, 0],
        [0, 0, 0, 16, 5, 0, 0, 0],
        [0, 0, 9, 15, 1, 0, 0, 0],
        [0, 0, 13, 5, 0, 0, 0, 0],
    ],
}


def wait_for(what: str, check: Callable[[], Any], *, deadline_s: float = DEADLINE_S) -> Any:
    """Ask until the answer is true; say what was waited for when it never is."""
    end = time.monotonic() + deadline_s
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < end, f"waited {deadline_s:g} s for {what}"
        time.sleep(0.01)


class Service:
    """A process of the service; its log is read as it is written."""

    def __init__(self, words: list[str], settings: Mapping[str, str]) -> None:
        reader, writer = os.pipe()
        environment = {"PYTHONPATH": str(ROOT / "service"), "PYTHONUNBUFFERED": "1", **settings}
        self.child = process.start(
            [sys.executable, "-m", "ml_service", *words], env=environment, stdout=writer, stderr=writer
        )
        os.close(writer)
        self.lines: list[str] = []
        self._reading = threading.Thread(target=self._read, args=(reader,), daemon=True)
        self._reading.start()

    def _read(self, reader: int) -> None:
        with os.fdopen(reader, encoding="utf-8") as stream:
            for line in stream:
                self.lines.append(line.rstrip("\n"))

    @property
    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in list(self.lines)]

    def logged(self, message: str) -> dict[str, Any]:
        def find() -> dict[str, Any] | None:
            assert self.child.poll() is None or any(message in line for line in self.lines), "\n".join(self.lines)
            return next((line for line in self.log if line["message"] == message), None)

        found: dict[str, Any] = wait_for(f"the log line {message!r}", find)
        return found

    def signal(self, number: int) -> None:
        self.child.send_signal(number)

    def ended(self) -> int:
        """Wait for the process's end and give its exit code; its log is complete then."""
        code = self.child.wait(DEADLINE_S)
        self._reading.join(DEADLINE_S)
        return code

    def stop(self) -> None:
        if self.child.poll() is None:
            self.signal(signal.SIGKILL)
        self.child.wait(DEADLINE_S)
        self._reading.join(DEADLINE_S)


class Api(Service):
    """The API on a port that the system chose."""

    def __init__(self, model: Path, settings: Mapping[str, str] | None = None) -> None:
        base = {"ML_MODEL_PATH": str(model), "ML_HOST": "127.0.0.1", "ML_PORT": "0", "ML_DRAIN_DELAY_S": "0"}
        super().__init__(["api"], base | dict(settings or {}))

    @property
    def port(self) -> int:
        return int(self.logged("listening")["port"])

    def client(self, **options: Any) -> httpx2.Client:
        return httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=DEADLINE_S, **options)

    def ready(self) -> Api:
        self.logged("ready")
        return self


@contextmanager
def api(model: Path, **settings: str) -> Iterator[Api]:
    service = Api(model, settings)
    try:
        yield service
    finally:
        service.stop()


@contextmanager
def worker(model: Path, url: str, *words: str, **settings: str) -> Iterator[Service]:
    base = {"ML_MODEL_PATH": str(model), "ML_REDIS_URL": url, "ML_METRICS_PORT": "0"}
    service = Service(["worker", *words], base | settings)
    try:
        yield service
    finally:
        service.stop()


class Redis:
    """A Redis server on a Unix socket, without persistence."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.socket = folder / "redis.sock"
        self.url = f"unix://{self.socket}?db=0"
        # One program with two names in Debian; redis-tools, which starts no service, has it under this one.
        self._program = folder / "redis-server"
        self._program.symlink_to(shutil.which("redis-check-rdb") or "/redis-tools-is-not-installed")
        self.start()

    def start(self, *options: str) -> None:
        words = ["--port", "0", "--unixsocket", str(self.socket), "--save", "", "--dir", str(self._folder)]
        log = ["--logfile", str(self._folder / "redis.log")]
        self._child = process.start([self._program, *words, *log, *options])
        wait_for("redis-server", self._answers)

    def _answers(self) -> bool:
        assert self._child.poll() is None, (self._folder / "redis.log").read_text("utf-8")
        try:
            return bool(self.client().ping())
        except redis.AuthenticationError:
            return True
        except redis.RedisError:
            return False

    def client(self, **options: Any) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.socket), decode_responses=True, **options)

    def stop(self) -> None:
        process.terminate(self._child)
