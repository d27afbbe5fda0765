"""Entry point: finds the command's module by name, runs it, and turns what it raises into one message and a code.

Only the command that was asked for is imported. A command is a module with `main(argv) -> int`; those that people
wait for in hooks and editors use argparse, the others typer (docs/decisions/0002-lazy-commands.md).
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module

from mldeploy.cli.commands import COMMANDS
from mldeploy.errors import ExitCode, MldeployError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after the program's name; default: the process's own.

    Returns:
        The exit code (see `ExitCode`).
    """
    if argv is None:
        # What CI and supervisors send: it ends what this process started, as Ctrl-C does.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words or os.environ.get("MLDEPLOY_DEBUG", "") == "1"
    words = [word for word in words if word != "--debug"]
    try:
        return _dispatch(words)
    except BrokenPipeError:
        # The reader of our output (head, a pager) has gone: not an error, but nothing more may be written.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.CLEAN
    except (MldeployError, KeyboardInterrupt, OSError) as error:
        if debug:
            raise
        message, code = _told(error)
        sys.stderr.write(f"mldeploy: {message}\n")
        return code


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in {"-h", "--help", "help"}:
        from mldeploy.cli.overview import overview

        sys.stdout.write(overview())
        return ExitCode.CLEAN
    if words[0] in {"-V", "--version"}:
        from importlib.metadata import version

        sys.stdout.write(f"mldeploy {version('mldeploy')}\n")
        return ExitCode.CLEAN
    command = COMMANDS.get(words[0])
    if command is None:
        from difflib import get_close_matches

        near = get_close_matches(words[0], COMMANDS, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise MldeployError(f"no such command: {words[0]}", remedy=f"{hint}see mldeploy --help")
    module = import_module(f"mldeploy.cli.{command.module}")
    return int(module.main(words[1:]))


def _told(error: MldeployError | KeyboardInterrupt | OSError) -> tuple[str, ExitCode]:
    """Give the message and the exit code of what a command raised."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted; the same command goes on from here", ExitCode.INTERRUPTED
    ours = _system_error(error) if isinstance(error, OSError) else error
    return ours.message if not ours.remedy else f"{ours.message}\n  -> {ours.remedy}", ours.exit_code


def _system_error(error: OSError) -> MldeployError:
    remedies = {
        errno.ENOSPC: "free some space; the same command goes on from here",
        errno.EACCES: "run as the file's owner, or as root",
        errno.EPERM: "run as root",
    }
    where = f"{error.filename}: " if error.filename else ""
    remedy = remedies.get(error.errno or 0, "mldeploy doctor looks for what is wrong; --debug shows where it happened")
    return MldeployError(f"{where}{error.strerror or error}", remedy=remedy)


if __name__ == "__main__":
    sys.exit(main())
