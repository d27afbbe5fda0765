"""The entry point: one message and the right code, whatever a command raises."""

from __future__ import annotations

import errno
import os
import signal
import sys
from pathlib import Path
from types import ModuleType

import pytest

from mldeploy.cli import main as entry
from mldeploy.cli.commands import COMMANDS, Command
from mldeploy.errors import CheckFailedError, MldeployError, RefusedError
from mldeploy.process import start


def a_command(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Put a command `fails` into the table that raises `error`."""

    def fail(_argv: list[str]) -> int:
        raise error

    module = ModuleType("mldeploy.cli.fails")
    module.main = fail  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mldeploy.cli.fails", module)
    monkeypatch.setitem(COMMANDS, "fails", Command(module="fails", group="Tools", summary="fails"))


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (MldeployError("a:1:2: wrong", remedy="mend it"), 2, "mldeploy: a:1:2: wrong\n  -> mend it\n"),
        (CheckFailedError("found"), 1, "mldeploy: found\n"),
        (RefusedError("held"), 3, "mldeploy: held\n"),
        (KeyboardInterrupt(), 130, "mldeploy: interrupted; the same command goes on from here\n"),
        (
            OSError(errno.ENOSPC, "No space left on device", "/full/file"),
            2,
            "mldeploy: /full/file: No space left on device\n  -> free some space; the same command goes on from here\n",
        ),
    ],
    ids=["error", "findings", "refused", "interrupted", "full disk"],
)
def test_one_message_and_a_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, message: str
) -> None:
    a_command(monkeypatch, error)
    assert entry.main(["fails"]) == code
    assert capsys.readouterr().err == message


def test_debug_lets_the_traceback_through(monkeypatch: pytest.MonkeyPatch) -> None:
    a_command(monkeypatch, MldeployError("wrong"))
    with pytest.raises(MldeployError, match="wrong"):
        entry.main(["fails", "--debug"])


def test_a_misspelt_command_is_answered(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["lnt"]) == 2
    assert "did you mean 'lint'?" in capsys.readouterr().err


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = entry.main([name, "--help"])
    except SystemExit as left:
        code = int(left.code or 0)
    assert code == 0
    assert name in capsys.readouterr().out


def test_sigterm_ends_what_was_started(tmp_path: Path) -> None:
    started = tmp_path / "started"
    program = (
        "import sys; from types import ModuleType\n"
        "from mldeploy.cli import main as entry; from mldeploy.cli.commands import COMMANDS, Command\n"
        "from mldeploy.process import run\n"
        "module = ModuleType('mldeploy.cli.waits')\n"
        f"line = 'echo $$ >{started}.new; mv {started}.new {started}; exec sleep 300'\n"
        "module.main = lambda argv: run(['sh', '-c', line], timeout_s=300).returncode\n"
        "sys.modules['mldeploy.cli.waits'] = module\n"
        "COMMANDS['waits'] = Command(module='waits', group='Tools', summary='waits')\n"
        "sys.argv = ['mldeploy', 'waits']; sys.exit(entry.main())\n"
    )
    child = start([sys.executable, "-c", program])
    try:
        while not started.exists():
            assert child.poll() is None, "it ended before it started anything"
            os.sched_yield()
        child.send_signal(signal.SIGTERM)
        assert child.wait(30) == 130
    finally:
        child.kill()
        child.wait()
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)
