"""A trained model, a running API and a Redis server for the tests of the service."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mldeploy import paths, process
from tests.unit.service.support import ROOT, Api, Redis

_TRAINING = ROOT / "service" / "model"


@pytest.fixture(scope="session")
def model() -> Path:
    """The real model, trained from the image's own lock: once for each state of its sources, then from the cache."""
    sources = [_TRAINING / "train.py", _TRAINING / "requirements.txt"]
    state = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    folder = paths.cache() / "models" / state
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
                venv = Path(scratch) / "venv"
                process.run([sys.executable, "-m", "venv", venv], timeout_s=120)
                options = ["--quiet", "--require-hashes", "--only-binary=:all:", "--disable-pip-version-check"]
                process.run([venv / "bin" / "pip", "install", *options, "-r", sources[1]], timeout_s=600)
                trained = Path(scratch) / "trained"
                process.run([venv / "bin" / "python", sources[0], trained / "digits.onnx"], timeout_s=120)
                shutil.move(trained, folder)
    return folder / "digits.onnx"


@pytest.fixture(scope="module")
def service(model: Path) -> Iterator[Api]:
    running = Api(model, {"ML_LOG_LEVEL": "debug"})
    try:
        yield running.ready()
    finally:
        running.stop()


@pytest.fixture
def queue() -> Iterator[Redis]:
    # A socket's path may have 107 characters, which pytest's own folders can exceed.
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        server = Redis(Path(folder))
        try:
            yield server
        finally:
            server.stop()
