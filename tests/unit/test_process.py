"""The one module that starts processes: what it gives, what it says when it fails, and that nothing stays behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mldeploy import process
from mldeploy.process import ProcessError

# Starts a child of its own that ignores SIGTERM, writes that child's number into a file, and waits.
FAMILY = """
import signal, subprocess, sys, time
code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
child.stdout.readline()
open(sys.argv[1], "w").write(str(child.pid))
print("told", flush=True)
time.sleep(60)
"""


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", code, *arguments]


def is_running(pid: int) -> bool:
    """A zombie that its new parent has not yet collected does not run."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def has_ended(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not is_running(pid)


def test_gives_both_streams_and_the_code(tmp_path: Path) -> None:
    code = (
        "import os, sys; print(os.getcwd(), os.environ['A'], sys.stdin.read())\n"
        "print('e', file=sys.stderr); sys.exit(3)"
    )
    done = process.run(python(code), timeout_s=30, ok=(0, 3), cwd=tmp_path, env={"A": "é"}, input_text="in")
    assert (done.returncode, done.stdout, done.stderr) == (3, f"{tmp_path} é in\n", "e\n")
    assert done.argv == tuple(python(code))
    assert done.seconds > 0


def test_standard_input_is_empty_unless_given() -> None:
    assert process.run(python("import sys; print(repr(sys.stdin.read()))"), timeout_s=30).stdout == "''\n"


def test_bytes_that_are_no_text_do_no_harm() -> None:
    code = r"import sys; sys.stdout.buffer.write(b'a\xff\n')"
    assert process.run(python(code), timeout_s=30).stdout == "a\ufffd\n"


def test_a_code_that_is_not_allowed_is_an_error_that_tells_all() -> None:
    code = "import sys; print('out'); [print(n, file=sys.stderr) for n in range(100)]; sys.exit(4)"
    with pytest.raises(ProcessError, match="ended with 4") as caught:
        process.run(python(code), timeout_s=30)
    error = caught.value
    assert (error.returncode, error.stdout, error.stderr.splitlines()[0]) == (4, "out\n", "0")
    assert error.message.splitlines()[-1] == "  99"
    assert len(error.message.splitlines()) == 21


def test_a_signal_is_named() -> None:
    with pytest.raises(ProcessError, match="was killed by signal 9"):
        process.run(python("import os; os.kill(os.getpid(), 9)"), timeout_s=30)


@pytest.mark.parametrize(
    ("argv", "cwd", "message"),
    [
        (["no-such-program"], None, "no-such-program was not found"),
        ([sys.executable], Path("/no/such/folder"), "/no/such/folder was not found"),
        (["/etc/passwd"], None, "/etc/passwd may not be executed"),
    ],
)
def test_what_cannot_be_started_is_named(argv: list[str], cwd: Path | None, message: str) -> None:
    with pytest.raises(ProcessError, match=re.escape(message)) as caught:
        process.run(argv, timeout_s=30, cwd=cwd)
    assert caught.value.returncode is None
    assert caught.value.remedy


def test_a_timeout_ends_the_children_too(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    with pytest.raises(ProcessError, match=r"did not end within 6 s") as caught:
        process.run(python(FAMILY, str(told)), timeout_s=6)
    assert caught.value.stdout == "told\n"
    assert has_ended(int(told.read_text("ascii")))


def test_an_interruption_ends_the_children_too(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    code = (
        "import sys; from mldeploy import process\n"
        "try: process.run(sys.argv[1:], timeout_s=60)\n"
        "except KeyboardInterrupt: print('interrupted')\n"
    )
    parent = process.start(python(code, *python(FAMILY, str(told))), stdout=process.PIPE)
    deadline = time.monotonic() + 30
    while not (told.is_file() and told.read_text("ascii")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    parent.send_signal(signal.SIGINT)
    assert parent.communicate(timeout=30)[0] == "interrupted\n"
    assert has_ended(int(told.read_text("ascii")))


@pytest.mark.parametrize("begin", [process.start, lambda argv: process.run(argv, timeout_s=60)], ids=["start", "run"])
def test_an_interruption_before_anybody_knows_the_child_ends_it(
    begin: Callable[[list[str]], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    class Interrupted(subprocess.Popen):  # type: ignore[type-arg]
        """A process whose start is not over when Ctrl-C is pressed."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self.pid)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        begin(["sleep", "60"])
    assert [has_ended(pid) for pid in started] == [True]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_terminate_is_content_with_what_has_ended() -> None:
    child = process.start(python(""))
    child.wait(30)
    process.terminate(child)
    assert child.returncode == 0


def test_replace_becomes_the_program() -> None:
    code = "from mldeploy import process; process.replace(['sh', '-c', 'echo $$ $A'], env={'A': 'b'})"
    child = process.start(python(code), stdout=process.PIPE)
    assert child.communicate(timeout=30)[0] == f"{child.pid} b\n"
    with pytest.raises(ProcessError, match="no-such-program: could not be executed"):
        process.replace(["no-such-program"])


# Answers with what it read and its number, closes both streams, and goes on.
KEEPER = """
import os, sys, time
print(sys.stdin.read(), os.getpid(), os.getsid(0), flush=True)
null = os.open(os.devnull, os.O_RDWR)
os.dup2(null, 1); os.dup2(null, 2)
time.sleep(60)
"""


def test_what_answers_goes_on_in_a_session_of_its_own() -> None:
    asked, pid, session = process.leave_running(python(KEEPER), input_text="é", timeout_s=30).split()
    try:
        assert (asked, session) == ("é", pid)
        assert is_running(int(pid))
    finally:
        os.kill(int(pid), signal.SIGKILL)


def test_what_ends_without_an_answer_is_heard_to_its_end() -> None:
    code = "import sys; print('one', flush=True); sys.exit('two')"
    assert process.leave_running(python(code), input_text="", timeout_s=30) == "one\ntwo\n"


def test_what_does_not_answer_is_ended() -> None:
    with pytest.raises(ProcessError, match="did not answer within 3 s") as failure:
        process.leave_running(["sh", "-c", "echo $$; exec sleep 60"], input_text="", timeout_s=3)
    assert has_ended(int(failure.value.stdout))


def test_a_program_that_is_missing_leaves_no_descriptor() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(ProcessError, match="was not found"):
        process.leave_running(["no-such-program"], input_text="in", timeout_s=2)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
