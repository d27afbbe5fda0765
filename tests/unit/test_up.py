"""The sequence behind scripts/up: one at a time, and nothing that it started outlives it."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import pytest

from mldeploy.cli.up import closing
from mldeploy.errors import MldeployError, RefusedError
from mldeploy.progress import Quiet
from mldeploy.toolchain.pins import load
from mldeploy.up.background import background
from mldeploy.up.extras import EXTRAS
from mldeploy.up.sequence import up


def test_a_second_one_is_refused(tmp_path: Path) -> None:
    state = tmp_path / ".mldeploy"
    state.mkdir()
    with (state / "up.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(RefusedError, match="another `mldeploy up` is at work here"):
            up(tmp_path, Quiet())


def test_an_extra_that_does_not_exist_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    with pytest.raises(MldeployError, match="--with nope: there is no such extra") as refused:
        up(tmp_path, Quiet(), ["argocd", "nope"])
    assert "argocd" in refused.value.remedy
    assert not (tmp_path / ".mldeploy").exists()


def test_extras_need_tools_that_are_pinned_and_not_built_for_everybody() -> None:
    pins = load()
    for name, one in EXTRAS.items():
        assert one.summary, name
        assert {pins.pin(tool).group for tool in one.tools} <= {"published"}, name


def test_the_next_commands_fit_who_deploys() -> None:
    plain, agent = closing([], applied=True), closing([EXTRAS["flux"].daily], applied=False)
    assert "helmfile --selector service=ml-api apply" in plain
    assert agent.startswith("Nothing to change.\n\nBoth services answer")
    assert "apply  " not in agent
    assert "mldeploy gitops push" in agent


def test_a_failed_command_tells_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "up" / "x.log"
    with (
        background(["no-such-command"], log, cwd=tmp_path) as running,
        pytest.raises(MldeployError, match="no such command: no-such-command") as failure,
    ):
        running.wait()
    assert str(log) in failure.value.remedy


def test_a_good_command_ends(tmp_path: Path) -> None:
    with background(["--version"], tmp_path / "log", cwd=tmp_path) as running:
        running.wait()
    assert (tmp_path / "log").read_text().startswith("mldeploy ")


def test_it_ends_with_the_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho $$\nexec sleep 300\n", "utf-8")
    program.chmod(0o700)
    # Any command of ours ends sooner or later; this one does not, until it is ended.
    monkeypatch.setattr("sys.executable", str(program))
    deadline = time.monotonic() + 30
    with background(["image", "build"], log, cwd=tmp_path):
        while not log.read_text("utf-8").endswith("\n"):
            assert time.monotonic() < deadline, "it wrote nothing"
            os.sched_yield()
        pid = int(log.read_text("utf-8"))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
