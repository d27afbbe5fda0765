"""`mldeploy secrets`: what a store holds, whether a deploy can have it, and how keys are changed."""

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


_ENVIRONMENT = Annotated[str, typer.Argument(metavar="ENV", help="dev, staging or prod")]
_SERVICE = Annotated[str, typer.Argument(metavar="SERVICE", help="ml-api or ml-batch")]
_CONTEXT = Annotated[str, typer.Option(help="The kube-context; default: the current one.")]
_KUBECONFIG = Annotated[Path | None, typer.Option(help="The kubeconfig; default: as kubectl finds it.")]


@app.command(epilog="Example: mldeploy secrets seed dev")
def seed(
    environment: Annotated[str, typer.Argument(metavar="ENV", help="an environment whose store is in its cluster")],
    context: _CONTEXT = "",
    kubeconfig: _KUBECONFIG = None,
) -> None:
    """Fill the store with what the environment's releases take from it; print what was written, never its value.

    Random, unless .mldeploy/secrets/ENV.yaml (secret, property, text) says otherwise. What is there stays.
    """
    from mldeploy.secrets import seed as fill

    root = paths.checkout()
    kubeconfig, context = target(root, environment, kubeconfig=kubeconfig, context=context)
    for line in fill(root, environment, _progress(), kubeconfig=kubeconfig, context=context).written:
        typer.echo(line)


@app.command(epilog="Example: mldeploy secrets check dev ml-api")
def check(
    environment: _ENVIRONMENT,
    service: _SERVICE,
    context: _CONTEXT = "",
    kubeconfig: _KUBECONFIG = None,
    helmfile: Annotated[
        int, typer.Option(metavar="PID", help="a running helmfile, whose --values, --set and cluster count too")
    ] = 0,
) -> None:
    """Ask the operator whether it can fetch what a service's ExternalSecret names; helmfile does before each change."""
    from mldeploy.secrets.check import Chosen
    from mldeploy.secrets.check import check as check_release
    from mldeploy.values import Workspace

    root = paths.checkout()
    if not helmfile:
        # helmfile's own guard has looked already.
        kubeconfig, context = target(root, environment, kubeconfig=kubeconfig, context=context)
    release = Workspace(root).release(environment, service)
    argv = Path(f"/proc/{helmfile}/cmdline").read_text("utf-8").split("\0") if helmfile else []
    options = {"--kube-context": context, "--kubeconfig": str(kubeconfig or "")}
    argv += [word for name, value in options.items() if value for word in (name, value)]
    check_release(release, Chosen.of(argv))


@app.command(epilog="Example: mldeploy secrets rotate dev ml-api")
def rotate(
    environment: _ENVIRONMENT, service: _SERVICE, context: _CONTEXT = "", kubeconfig: _KUBECONFIG = None
) -> None:
    """Give a service new keys while it is in use; the old ones stay valid until `mldeploy secrets retire`.

    Every pod accepts the new key before any client is given it: it is then the first line of the service's Secret.
    """
    from mldeploy.secrets import rotate as give_new

    root = paths.checkout()
    kubeconfig, context = target(root, environment, kubeconfig=kubeconfig, context=context)
    for line in give_new(root, environment, service, _progress(), kubeconfig=kubeconfig, context=context):
        typer.echo(line)


@app.command(epilog="Example: mldeploy secrets retire dev ml-api")
def retire(
    environment: _ENVIRONMENT, service: _SERVICE, context: _CONTEXT = "", kubeconfig: _KUBECONFIG = None
) -> None:
    """End a rotation: from now on the old keys are refused."""
    from mldeploy.secrets import retire as take_out

    root = paths.checkout()
    kubeconfig, context = target(root, environment, kubeconfig=kubeconfig, context=context)
    for line in take_out(root, environment, service, _progress(), kubeconfig=kubeconfig, context=context):
        typer.echo(line)


def main(argv: Sequence[str]) -> int:
    """Run the command."""
    return run_typer(app, "secrets", argv)
