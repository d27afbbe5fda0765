"""`mldeploy cluster`: a real Kubernetes node on this machine, or another provider's."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mldeploy import paths, process
from mldeploy.cli.typer_command import run_typer
from mldeploy.cluster import DEFAULT_NAME, PROVIDERS, Cluster, open_cluster
from mldeploy.cluster.table import status_text
from mldeploy.errors import MldeployError
from mldeploy.report.progress import ConsoleProgress

app = typer.Typer(
    help="A real Kubernetes node on this machine, or another provider's.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Option("--name", help="The cluster's name; several run side by side.")]
Provider = Annotated[str, typer.Option("--provider", help=f"One of {', '.join(PROVIDERS)}.")]


@app.command(epilog="Examples: mldeploy cluster up; mldeploy cluster up --name second --port 16443")
def up(
    name: Name = DEFAULT_NAME,
    provider: Provider = PROVIDERS[0],
    port: Annotated[int | None, typer.Option("--port", help="The API server's port on 127.0.0.1.")] = None,
) -> None:
    """Start the cluster, and return when it can be used; one that runs is left as it is."""
    cluster = open_cluster(paths.checkout(), provider, name)
    cluster.up(_progress(), port=port)
    sys.stderr.write(f"context {cluster.context} in {cluster.kubeconfig}\n")


@app.command(epilog="Example: mldeploy cluster down")
def down(name: Name = DEFAULT_NAME, provider: Provider = PROVIDERS[0]) -> None:
    """End the cluster and remove all that it had: processes, mounts, interfaces, firewall rules, cgroups, files."""
    open_cluster(paths.checkout(), provider, name).down(_progress())


@app.command(epilog="Examples: mldeploy cluster status; mldeploy cluster status --output json")
def status(
    name: Name = DEFAULT_NAME,
    provider: Provider = PROVIDERS[0],
    output: Annotated[str, typer.Option("--output", "-o", help="text or json.")] = "text",
) -> int:
    """Show the components (process, uptime, memory), the node and its images; ends with 1 unless it is ready."""
    if output not in {"text", "json"}:
        raise MldeployError(f"no such output: {output}", remedy="choose text or json")
    found = open_cluster(paths.checkout(), provider, name).status()
    if output == "json":
        sys.stdout.write(json.dumps(asdict(found), indent=2, default=str) + "\n")
    else:
        sys.stdout.write(status_text(found))
    return 0 if found.state == "ready" else 1


@app.command(epilog="Examples: mldeploy cluster logs kubelet --follow; mldeploy cluster logs audit")
def logs(
    component: Annotated[str, typer.Argument(help="Such as kubelet, kube-apiserver, etcd or audit.")],
    name: Name = DEFAULT_NAME,
    provider: Provider = PROVIDERS[0],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines until interrupted.")] = False,
) -> None:
    """Print a component's log, oldest line first."""
    process.replace(open_cluster(paths.checkout(), provider, name).logs(component, follow=follow))


@app.command(epilog="Example: mldeploy cluster load image.tar")
def load(
    archive: Annotated[Path, typer.Argument(help="An OCI archive, as mldeploy image build writes it.")],
    name: Name = DEFAULT_NAME,
    provider: Provider = PROVIDERS[0],
) -> None:
    """Give the node the images of an archive; those that it has already are left alone."""
    cluster: Cluster = open_cluster(paths.checkout(), provider, name)
    if not cluster.load_image(archive, _progress()):
        sys.stderr.write(f"{archive}: the node has it already\n")


def _progress() -> ConsoleProgress:
    return ConsoleProgress(paths.cache() / "durations.json")


def main(argv: Sequence[str]) -> int:
    """Run `mldeploy cluster`."""
    return run_typer(app, "cluster", argv)
