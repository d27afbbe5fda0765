"""`mldeploy doctor`: what is missing or wrong on this machine, each with its remedy."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from mldeploy.cli.typer_command import run_typer
from mldeploy.errors import ExitCode

app = typer.Typer()


@app.command(epilog="Example: sudo .venv/bin/mldeploy doctor")
def doctor() -> ExitCode:
    """Examine this machine; ends with 1 when something is wrong."""
    from mldeploy.toolchain.health import examine

    wrong = 0
    for check in examine():
        typer.echo(f"{'wrong' if check.remedy else 'ok':<6}{check.name}: {check.found}")
        if check.remedy:
            wrong += 1
            typer.echo(f"{'':<6}-> {check.remedy}")
    return ExitCode.FINDINGS if wrong else ExitCode.CLEAN


def main(argv: Sequence[str]) -> int:
    """Run the command on the words after its name."""
    return run_typer(app, "doctor", argv)
