"""Progress as people see it: lines in a log, a live display on a terminal, and how long a step took last time."""

from __future__ import annotations

import json
import os
import pty
import re
import sys
import threading
from pathlib import Path

import pytest

from mldeploy import process
from mldeploy.progress import Quiet
from mldeploy.report.progress import ConsoleProgress

DURATION = re.compile(r"\d+\.\d s")


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    out, err = capsys.readouterr()
    assert out == "", "stdout is for data"
    return DURATION.sub("T s", err).splitlines()


def test_a_log_gets_a_line_at_the_start_and_one_at_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    progress = ConsoleProgress(tmp_path / "durations.json")
    long = "Building a tool with [brackets] " + "and a title that is longer than any line " * 4
    with progress.step(long, key="build"):
        progress.note("in between")
    assert lines(capsys) == [f"... {long}", "in between", f"ok {long} (T s)"]


def test_the_next_run_knows_how_long_it_took(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history = tmp_path / "cache" / "durations.json"
    for _ in range(2):
        with ConsoleProgress(history).step("Building", key="build"):
            pass
    assert lines(capsys) == ["... Building", "ok Building (T s)", "... Building (last time T s)", "ok Building (T s)"]
    assert list(json.loads(history.read_text("utf-8"))) == ["build"]
    history.write_text("{damaged", "utf-8")
    with ConsoleProgress(history).step("Building", key="build"):
        pass
    assert lines(capsys)[0] == "... Building"


def test_a_step_that_fails_is_not_remembered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history = tmp_path / "durations.json"
    with pytest.raises(KeyboardInterrupt), ConsoleProgress(history).step("Building", key="build"):
        raise KeyboardInterrupt
    assert lines(capsys) == ["... Building", "stopped Building (T s)"]
    assert not history.exists()


def test_a_long_step_says_now_and_then_where_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("mldeploy.report.progress.time.monotonic", lambda: now[0])
    with ConsoleProgress(tmp_path / "durations.json").step("Building") as step:
        for second in range(50):
            now[0] = float(second)
            step.update(f"package {second}", done=second / 100)
    assert [line for line in lines(capsys) if "package" in line] == [
        "... Building: package 20 (T s, 20%)",
        "... Building: package 40 (T s, 40%)",
    ]


def test_steps_of_several_threads_are_whole_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    progress = ConsoleProgress(tmp_path / "durations.json")

    def work(number: int) -> None:
        for _ in range(20):
            with progress.step(f"Step {number}", key=f"step {number}"):
                pass

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = lines(capsys)
    assert len(seen) == 160
    assert all(re.fullmatch(r"(\.\.\. Step \d( \(last time T s\))?|ok Step \d \(T s\))", line) for line in seen)
    assert len(json.loads((tmp_path / "durations.json").read_text("utf-8"))) == 4


def test_a_terminal_gets_a_mark_and_the_detail(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from mldeploy.report.progress import ConsoleProgress\n"
        "with ConsoleProgress(Path(sys.argv[1])).step('Building it') as step:\n"
        "    step.update('half way', done=0.5); sys.stdin.read()\n"
    )
    parent, terminal = pty.openpty()
    environment = {"TERM": "xterm", "COLUMNS": "120", "NO_COLOR": "1"}
    child = process.start(
        [sys.executable, "-c", code, str(tmp_path / "durations.json")],
        env=environment,
        stdin=process.PIPE,
        stderr=terminal,
        stdout=terminal,
    )
    os.close(terminal)
    assert child.stdin is not None
    seen = b""
    while True:
        if b"half way" in seen:
            child.stdin.close()
        try:
            seen += os.read(parent, 4096)
        except OSError:
            break
    os.close(parent)
    assert child.wait(30) == 0
    text = seen.decode("utf-8")
    assert "half way" in text
    assert re.search(r"✓ Building it \(\d\.\d s\)", text)
    assert "..." not in text


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Quiet().step("Building", key="build") as step:
        step.update("half way", done=0.5)
        Quiet().note("a note")
    assert capsys.readouterr() == ("", "")
