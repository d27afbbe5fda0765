"""An installation that was interrupted is gone on with, and two at once take turns."""

from __future__ import annotations

import multiprocessing
import multiprocessing.process
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mldeploy import paths
from mldeploy.progress import Quiet
from mldeploy.toolchain import caches
from mldeploy.toolchain.installation import install
from mldeploy.toolchain.inventory import inventory
from mldeploy.toolchain.pins import Pins, load
from tests.unit.installing.support import Log


def _install_in_a_process(declared: Path) -> None:
    os.setsid()
    load.cache_clear()
    install([], Quiet(), pins=load(declared))


@contextmanager
def _installing(declared: Path) -> Iterator[multiprocessing.process.BaseProcess]:
    child = multiprocessing.get_context("fork").Process(target=_install_in_a_process, args=(declared,))
    child.start()
    try:
        yield child
    finally:
        child.join(120)
        assert child.exitcode is not None


def _wait_for(what: str, condition: object) -> None:
    assert callable(condition)
    # Go's runtime is compiled first, on two cores that others use too.
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.002)


def test_an_interrupted_removal_is_finished(pins: Pins) -> None:
    install([], Quiet(), pins=pins)
    assert caches.claim()
    (caches.folder() / "mod").mkdir()
    # Somebody asks for one tool, which says nothing about the others: they may still need the caches.
    install(["alpha"], Quiet(), pins=pins)
    assert caches.are_ours()
    log = Log()
    assert install([], log, pins=pins) == []
    assert log.steps == ["Removing what only building needed"]
    assert not caches.folder().exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("moment", ["claimed", "staged", "first installed"])
def test_an_interrupted_installation_is_gone_on_with(pins: Pins, number: signal.Signals, moment: str) -> None:
    conditions = {
        "claimed": caches.are_ours,
        "staged": lambda: any(caches.folder().glob("out/*")),
        "first installed": lambda: any((paths.cache() / "tools").glob("[ab]*/*/manifest.json")),
    }
    with _installing(pins.folder) as child:
        _wait_for(moment, conditions[moment])
        assert child.pid is not None
        os.kill(child.pid, number)
    load.cache_clear()
    install([], Quiet(), pins=pins)
    assert {row.state for row in inventory(pins, thorough=True)} == {"good"}
    _wait_for("caches are removed", lambda: not caches.folder().exists())


def test_two_at_once_take_turns(pins: Pins, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = paths.cache() / "tools" / ".lock"
    with _installing(pins.folder) as child:
        _wait_for("the first has the lock", lambda: lock.is_file() and "installs tools" in lock.read_text("utf-8"))
        log = Log()
        install([], log, pins=pins)
    assert child.exitcode == 0
    assert len(log.steps) == 1
    assert log.steps[0].startswith(f"Waiting: process {child.pid} installs tools")
    assert {row.state for row in inventory(pins, thorough=True)} == {"good"}
