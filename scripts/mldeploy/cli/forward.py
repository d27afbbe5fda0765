"""`mldeploy forward`: a local port to a service, until Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from mldeploy import paths
from mldeploy.cli.target import target
from mldeploy.cli.typer_command import run_typer

app = typer.Typer(add_completion=False)


@app.command()
def forward(
    environment: Annotated[str, typer.Argument(metavar="ENV", help="dev, staging, prod, ...")],
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="A service, such as ml-api.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Local port; 0 takes a free one.")] = 0,
    context: Annotated[str, typer.Option(help="The kube-context; default: the current one.")] = "",
    kubeconfig: Annotated[Path | None, typer.Option(help="The kubeconfig; default: as kubectl finds it.")] = None,
) -> None:
    """Forward a local port to a service until Ctrl-C, whatever becomes of its pods.

    Prints the local address on stdout, and on stderr when it reconnects.

    Example: mldeploy forward dev ml-api --port 8000
    """
    from mldeploy.smoke import declared
    from mldeploy.smoke import forward as open_forward
    from mldeploy.values import Workspace

    root = paths.checkout()
    release = Workspace(root).release(environment, service)
    kubeconfig, context = target(root, environment, kubeconfig=kubeconfig, context=context)
    plan = declared(root, release)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with open_forward(
        kubeconfig,
        context,
        release.namespace,
        f"svc/{plan.target}",
        plan.port,
        local_port=port or "auto",
        on_event=lambda text: typer.echo(text, err=True),
    ) as one:
        typer.echo(one.address)
        with suppress(KeyboardInterrupt):  # how this command ends
            threading.Event().wait()


def main(argv: Sequence[str]) -> int:
    """Run the command on the words after its name."""
    return run_typer(app, "forward", argv)
