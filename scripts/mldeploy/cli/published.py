"""`mldeploy published`: charts and images of what others publish, where their repositories and registries are away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from mldeploy import paths
from mldeploy.cli.typer_command import run_typer
from mldeploy.report.progress import ConsoleProgress

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="What others publish, made here from pinned Go modules."
)


@app.callback()
def published() -> None:
    """Keep `prepare` a word of its own: typer drops the name of an only command."""


@app.command(epilog="Examples: mldeploy published prepare; mldeploy published prepare external-secrets --cluster local")
def prepare(
    names: Annotated[list[str] | None, typer.Argument(help="which of them; default: all", show_default=False)] = None,
    cluster: Annotated[str, typer.Option(help="also load the images into this embedded cluster")] = "",
) -> None:
    """Make charts and images from their pinned modules, for `helmfile --environment local`; no network.

    Their programs are tools of the group «published»: mldeploy tools install NAME.
    """
    from mldeploy.cluster import open_cluster
    from mldeploy.published import SOURCES
    from mldeploy.published import prepare as make_ready

    root = paths.checkout()
    progress = ConsoleProgress(paths.cache() / "durations.json")
    for built in make_ready(root, names or list(SOURCES), progress):
        if cluster:
            open_cluster(root, name=cluster).load_image(built.archive, progress)
        for reference in built.references.values():
            typer.echo(reference)


def main(argv: Sequence[str]) -> int:
    """Run the command."""
    return run_typer(app, "published", argv)
