"""Runs a long program and tells its watcher what it is doing, from the lines that it prints."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mldeploy import process


def follow(
    argv: Sequence[process.Argument],
    on_line: Callable[[str], None],
    *,
    timeout_s: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run a program to its end, giving each line of its output, errors included, to `on_line` as it comes.

    Args:
        argv: the program and its arguments.
        on_line: called with each line, without its end.
        timeout_s: seconds after which the program and its children are terminated.
        cwd: where it runs; default: the working directory.
        env: variables set on top of this process's own.

    Returns:
        All that it printed.

    Raises:
        ProcessError: it could not be started, took too long, or ended with another code than 0.
    """
    words = [str(word) for word in argv]
    lines: list[str] = []
    timed_out = threading.Event()
    reader, writer = os.pipe()
    with os.fdopen(reader, encoding="utf-8", errors="replace") as stream:
        try:
            child = process.start(words, cwd=cwd, env=env, stdout=writer, stderr=writer)
        finally:
            os.close(writer)

        def give_up() -> None:
            timed_out.set()
            process.terminate(child)

        timer = threading.Timer(timeout_s, give_up)
        timer.start()
        try:
            for line in stream:
                lines.append(line)
                on_line(line.rstrip())
            child.wait()
        except BaseException:
            process.terminate(child)
            raise
        finally:
            timer.cancel()
    output = "".join(lines)
    if timed_out.is_set():
        raise process.ProcessError(words, f"did not end within {timeout_s:g} s", stdout=output)
    if child.returncode:
        raise process.ProcessError(words, f"ended with {child.returncode}", returncode=child.returncode, stdout=output)
    return output
