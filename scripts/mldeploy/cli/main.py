"""Entry point: finds the command's module by name, runs it, and turns what it raises into one message and a code.

Only the command that was asked for is imported. A command is a module with `main(argv) -> int`; those that people
wait for in hooks and editors use argparse, the others typer (docs/decisions/0002-lazy-commands.md).
"""

from __future__ import annotations

import os
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
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words or os.environ.get("MLDEPLOY_DEBUG", "") == "1"
    words = [word for word in words if word != "--debug"]
    if not words or words[0] in {"-h", "--help", "help"}:
        from mldeploy.cli.overview import overview

        sys.stdout.write(overview())
        return ExitCode.CLEAN
    if words[0] in {"-V", "--version"}:
        from importlib.metadata import version

        sys.stdout.write(f"mldeploy {version('mldeploy')}\n")
        return ExitCode.CLEAN
    try:
        return _dispatch(words)
    except MldeployError as error:
        if debug:
            raise
        sys.stderr.write(f"mldeploy: {_one_message(error)}\n")
        return error.exit_code
    except KeyboardInterrupt:
        if debug:
            raise
        sys.stderr.write("mldeploy: interrupted; the same command goes on from here\n")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader of our output (head, a pager) has gone: not an error, but nothing more may be written.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.CLEAN


def _dispatch(words: list[str]) -> int:
    command = COMMANDS.get(words[0])
    if command is None:
        from difflib import get_close_matches

        near = get_close_matches(words[0], COMMANDS, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise MldeployError(f"no such command: {words[0]}", remedy=f"{hint}see mldeploy --help")
    module = import_module(f"mldeploy.cli.{command.module}")
    return int(module.main(words[1:]))


def _one_message(error: MldeployError) -> str:
    return str(error) if not error.remedy else f"{error.message}\n  -> {error.remedy}"


if __name__ == "__main__":
    sys.exit(main())
