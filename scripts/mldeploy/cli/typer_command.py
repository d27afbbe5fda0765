"""Runs a typer application as a command's `main`: its errors become exit codes, ours pass through."""

from __future__ import annotations

from collections.abc import Sequence

import typer
from typer.main import get_command

from mldeploy.errors import ExitCode, MldeployError


def run_typer(app: typer.Typer, name: str, argv: Sequence[str]) -> int:
    """Run `app` as `mldeploy <name>` on `argv` and give its exit code (typer's usage errors are 2, like ours).

    A command function returns None (0) or an `ExitCode`.

    Raises:
        MldeployError: the options are wrong.
    """
    try:
        result = get_command(app).main(args=list(argv), prog_name=f"mldeploy {name}", standalone_mode=False)
    except typer.Exit as error:
        return error.exit_code
    except typer.Abort as error:
        raise KeyboardInterrupt from error
    except typer.TyperException as error:
        if not error.format_message():
            # No words at all: the help has been shown.
            return ExitCode.ERROR
        raise MldeployError(error.format_message().removesuffix("."), remedy=f"see mldeploy {name} --help") from error
    if result == ExitCode.INTERRUPTED:
        # typer makes a plain exit of Ctrl-C; `main` says what it means.
        raise KeyboardInterrupt
    return int(result) if isinstance(result, int) else ExitCode.CLEAN
