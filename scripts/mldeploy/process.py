"""The only place that starts a process: argument lists, allowed return codes, a timeout, errors that tell all."""

from __future__ import annotations

import os
import select
import shlex
import signal
import subprocess
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

from mldeploy.errors import MldeployError
from mldeploy.interruption import Held

Argument = str | Path
Child = subprocess.Popen[str]
PIPE = subprocess.PIPE
STDOUT = subprocess.STDOUT

_TERMINATION_GRACE_S = 5.0
_POLL_S = 0.02
_SHOWN_LINES = 20
_PART = 65536


@dataclass(frozen=True)
class Completed:
    """A process that ended with an allowed return code."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str
    seconds: float


class ProcessError(MldeployError):
    """A process could not be started, took too long, or ended with a return code that was not allowed.

    Attributes:
        argv, returncode (None: not started, or killed at its timeout), stdout, stderr: as they were.
    """

    def __init__(
        self,
        argv: Sequence[str],
        what: str,
        *,
        returncode: int | None = None,
        stdout: str = "",
        stderr: str = "",
        remedy: str = "",
    ) -> None:
        tail = (stderr.strip() or stdout.strip()).splitlines()[-_SHOWN_LINES:]
        message = f"{shlex.join(argv)}: {what}" + "".join(f"\n  {line}" for line in tail)
        super().__init__(message, remedy=remedy)
        self.argv = tuple(argv)
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr


def run(
    argv: Sequence[Argument],
    *,
    timeout_s: float,
    ok: Collection[int] = (0,),
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    input_text: str | None = None,
    inherit: bool = False,
) -> Completed:
    """Run a process to its end.

    Args:
        argv: the program and its arguments; never a shell line. No secrets: arguments show in process lists.
        timeout_s: seconds after which the process and its children are terminated.
        ok: return codes that are not an error.
        cwd: where it runs; default: the working directory.
        env: variables set on top of this process's own.
        input_text: what it reads from standard input; default: nothing (end of file at once).
        inherit: let it write to this process's own stdout and stderr instead of capturing them.

    Raises:
        ProcessError: it could not be started, timed out, or ended with a code outside `ok`.
    """
    words = [str(word) for word in argv]
    began = time.monotonic()
    pipe = None if inherit else subprocess.PIPE
    held = Held()
    with _popen(
        held,
        words,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL if input_text is None else subprocess.PIPE,
        stdout=pipe,
        stderr=pipe,
        new_session=not inherit,
    ) as child:
        try:
            held.release()
            stdout, stderr = child.communicate(input_text, timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            terminate(child, group=not inherit)
            stdout, stderr = child.communicate()
            raise ProcessError(
                words, f"did not end within {timeout_s:g} s", stdout=stdout or "", stderr=stderr or ""
            ) from error
        except BaseException:
            terminate(child, group=not inherit)
            raise
    done = Completed(tuple(words), child.returncode, stdout or "", stderr or "", time.monotonic() - began)
    if done.returncode not in ok:
        what = f"ended with {done.returncode}" if done.returncode >= 0 else f"was killed by signal {-done.returncode}"
        raise ProcessError(words, what, returncode=done.returncode, stdout=done.stdout, stderr=done.stderr)
    return done


def start(
    argv: Sequence[Argument],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: int | IO[str] | None = subprocess.DEVNULL,
    stdout: int | IO[str] | IO[bytes] | None = None,
    stderr: int | IO[str] | IO[bytes] | None = None,
    new_session: bool = True,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[str]:
    """Start a process and return at once; its streams, if piped, are text (UTF-8, undecodable bytes replaced).

    Raises:
        ProcessError: the program is missing or may not be executed.
    """
    held = Held()
    child = _popen(
        held,
        [str(word) for word in argv],
        cwd=cwd,
        env=env,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        new_session=new_session,
        pass_fds=pass_fds,
    )
    try:
        held.release()
    except BaseException:
        terminate(child, group=new_session)
        raise
    return child


def _popen(
    held: Held,
    words: list[str],
    *,
    cwd: Path | None,
    env: Mapping[str, str] | None,
    stdin: int | IO[str] | None,
    stdout: int | IO[str] | IO[bytes] | None,
    stderr: int | IO[str] | IO[bytes] | None,
    new_session: bool,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[str]:
    """Start a process; whoever has it then releases the signals, and they are released here where there is none."""
    try:
        return subprocess.Popen(
            words,
            cwd=cwd,
            env=None if env is None else {**os.environ, **env},
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=new_session,
            pass_fds=pass_fds,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
    except BaseException as error:
        held.release()
        if isinstance(error, FileNotFoundError):
            missing = cwd if cwd is not None and not cwd.is_dir() else words[0]
            raise ProcessError(words, f"{missing} was not found", remedy="run mldeploy doctor") from error
        if isinstance(error, PermissionError):
            raise ProcessError(words, f"{words[0]} may not be executed", remedy="run mldeploy doctor") from error
        raise


def leave_running(argv: Sequence[Argument], *, input_text: str, timeout_s: float) -> str:
    """Start a process that answers and then goes on by itself, in a session of its own.

    Args:
        argv: the program and its arguments.
        input_text: what it reads from standard input; at most what a pipe holds (64 KiB).
        timeout_s: seconds within which it has to answer.

    Returns:
        What it wrote to stdout and stderr until it closed both, or ended.

    Raises:
        ProcessError: the program is missing or may not be executed, or it does not answer; then it is ended.
    """
    words = [str(word) for word in argv]
    asked, asking = os.pipe()
    answer, answering = os.pipe()
    with open(asking, "w", encoding="utf-8") as stream:  # noqa: PTH123 - a descriptor
        stream.write(input_text)
    with open(answer, encoding="utf-8", errors="replace") as heard:  # noqa: PTH123
        try:
            child = start(words, stdin=asked, stdout=answering, stderr=answering)
        finally:
            os.close(asked)
            os.close(answering)
        said, deadline = "", time.monotonic() + timeout_s
        try:
            while select.select([heard], [], [], max(0.0, deadline - time.monotonic()))[0]:
                part = os.read(heard.fileno(), _PART).decode("utf-8", "replace")
                if not part:
                    return said
                said += part
        except BaseException:
            terminate(child)
            raise
    terminate(child)
    raise ProcessError(words, f"did not answer within {timeout_s:g} s", stdout=said)


def terminate(child: subprocess.Popen[str], *, group: bool = True, grace_s: float = _TERMINATION_GRACE_S) -> None:
    """End a process that this one started: SIGTERM, then SIGKILL; waits for its end.

    Args:
        child: what `start` returned; nothing is done when it has ended.
        group: end the whole session that `start` made for it, so that its own children go too, even stubborn ones.
        grace_s: seconds between the two signals, and to wait after the second.
    """
    if child.poll() is not None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + grace_s
        try:
            os.killpg(child.pid, number) if group else child.send_signal(number)
            child.wait(grace_s)
            while group and time.monotonic() < deadline:
                os.killpg(child.pid, 0)
                time.sleep(_POLL_S)
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            return


def replace(argv: Sequence[Argument], *, env: Mapping[str, str] | None = None) -> NoReturn:
    """Become another program (exec): for commands that hand over, such as a shell or a log follower.

    Raises:
        ProcessError: the program is missing or may not be executed.
    """
    words = [str(word) for word in argv]
    try:
        os.execvpe(words[0], words, {**os.environ, **(env or {})})  # noqa: S606 - no shell is wanted
    except OSError as error:
        raise ProcessError(words, f"could not be executed ({error.strerror})", remedy="run mldeploy doctor") from error
