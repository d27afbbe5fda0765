"""Ctrl-C, as a person presses it: the command says what it means, and leaves no compiler behind."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

from mldeploy import process
from mldeploy.errors import ExitCode

CODE = """
import sys
from pathlib import Path
from mldeploy.cli.main import main
from mldeploy.toolchain import installation, pins
declared = pins.load(Path(sys.argv[1]))
installation.load = lambda: declared
sys.exit(main(["tools", "install", "own"]))
"""
# What stands for the compiler tells its version, then works until it is ended.
GO = """#!/bin/sh
case $1 in
env) echo go1.26.0 ;;
*) echo $$ >"{pid}"; exec sleep 60 ;;
esac
"""


def test_an_interrupted_installation_says_how_to_go_on(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "go.mod").write_text("module example.invalid/own\n\ngo 1.26.0\n", "utf-8")
    (tmp_path / "tools.toml").write_text('[own]\nmodule = "own"\npackage = "."\ngroup = "test"\n', "utf-8")
    told = tmp_path / "pid"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "go").write_text(GO.format(pid=told), "utf-8")
    (tmp_path / "bin" / "go").chmod(0o755)
    command = process.start(
        [sys.executable, "-c", CODE, str(tmp_path)],
        env={"XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": f"{tmp_path}/bin:/usr/bin:/bin"},
        stdout=process.PIPE,
        stderr=process.PIPE,
    )
    deadline = time.monotonic() + 60
    while not (told.is_file() and told.read_text("ascii").strip()):
        assert time.monotonic() < deadline, "the compiler was never started"
        time.sleep(0.01)
    command.send_signal(signal.SIGINT)
    out, err = command.communicate(timeout=60)
    assert command.returncode == ExitCode.INTERRUPTED
    assert out == ""
    assert err.endswith("mldeploy: interrupted; the same command goes on from here\n")
    assert not Path(f"/proc/{told.read_text('ascii').strip()}").exists()
