"""`mldeploy secrets`: what dev's store holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from mldeploy import paths
from mldeploy.cli.target import target
from mldeploy.cli.typer_command import run_typer
from mldeploy.report.progress import ConsoleProgress

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Secrets from a store, through External Secrets.")


def _progress() -> ConsoleProgress:
    return ConsoleProgress(paths.cache() / "durations.json")


@app.callback()
def secrets() -> None:
    """Keep `seed` a word of its own: typer drops the name of an only command."""


@app.command(epilog="Example: mldeploy secrets seed dev")
def seed(
    environment: Annotated[str, typer.Argument(metavar="ENV", help="an environment whose store is in its cluster")],
    context: Annotated[str, typer.Option(help="The kube-context; default: the current one.")] = "",
    kubeconfig: Annotated[Path | None, typer.Option(help="The kubeconfig; default: as kubectl finds it.")] = None,
) -> None:
    """Fill the store with what the environment's releases take from it; print what was written, never its value.

    Random, unless .mldeploy/secrets/ENV.yaml (secret, property, text) says otherwise. What is there stays.
    """
    from mldeploy.secrets import seed as fill

    root = paths.checkout()
    kubeconfig, context = target(root, environment, kubeconfig=kubeconfig, context=context)
    for line in fill(root, environment, _progress(), kubeconfig=kubeconfig, context=context).written:
        typer.echo(line)


def main(argv: Sequence[str]) -> int:
    """Run the command."""
    return run_typer(app, "secrets", argv)
