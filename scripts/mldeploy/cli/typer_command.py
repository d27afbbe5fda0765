"""Runs a typer application as a command's `main`: its errors become exit codes, ours pass through."""

from __future__ import annotations

from collections.abc import Sequence

import typer
from typer.main import get_command

from mldeploy.errors import ExitCode


def run_typer(app: typer.Typer, name: str, argv: Sequence[str]) -> int:
    """Run `app` as `mldeploy <name>` on `argv` and give its exit code (typer's usage errors are 2, like ours).

    A command function returns None (0) or an `ExitCode`.
    """
    import click

    try:
        result = get_command(app).main(args=list(argv), prog_name=f"mldeploy {name}", standalone_mode=False)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.Abort as error:
        raise KeyboardInterrupt from error
    except click.ClickException as error:
        error.show()
        return ExitCode.ERROR
    return int(result) if isinstance(result, int) else ExitCode.CLEAN
