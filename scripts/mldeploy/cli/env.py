"""`mldeploy env`: prints what `eval` puts the tools and the kubeconfig into a shell with."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import typer

from mldeploy import paths
from mldeploy.cli.typer_command import run_typer

app = typer.Typer()


@app.command(epilog='Example: eval "$(.venv/bin/mldeploy env)"')
def env() -> None:
    """Print export lines for a POSIX shell.

    PATH (the pinned tools and mldeploy), the Helm plug-ins, and the kubeconfig of the cluster `local`, if there is one.
    """
    from mldeploy.toolchain import tool_environment

    root = paths.checkout()
    variables = tool_environment(root)
    kubeconfig = paths.state(root) / "clusters" / "local" / "kubeconfig"
    if kubeconfig.is_file():
        variables["KUBECONFIG"] = str(kubeconfig)
    for name, value in variables.items():
        typer.echo(f"export {name}={shlex.quote(value)}")


def main(argv: Sequence[str]) -> int:
    """Run the command on the words after its name."""
    return run_typer(app, "env", argv)
