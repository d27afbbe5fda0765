"""`mldeploy charts`: package the charts to the same bytes every time, and push them to an OCI registry."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from mldeploy import paths
from mldeploy.cli.typer_command import run_typer
from mldeploy.publish import application_charts, package_charts, push_chart

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help="Package charts reproducibly, with an SBOM, and push them to an OCI registry.",
    epilog="Examples: mldeploy charts package --destination dist · "
    "mldeploy charts push ml-api --from dist --to oci://registry.example.com/ml/charts",
)


def main(argv: Sequence[str]) -> int:
    """Run one of the sub-commands."""
    return run_typer(app, "charts", argv)


@app.command("list")
def list_charts() -> None:
    """Print the charts that can be installed, as a JSON list."""
    sys.stdout.write(json.dumps(application_charts(paths.checkout())) + "\n")


@app.command()
def package(destination: Annotated[Path, typer.Option(help="Folder for archives and SBOMs.")]) -> None:
    """Package every chart of the last commit; the same commit gives the same bytes on every machine."""
    for made in package_charts(paths.checkout(), destination):
        sys.stdout.write(f"{made.sha256}  {made.archive}\n{'':64}  {made.sbom}\n")


@app.command()
def push(
    chart: Annotated[str, typer.Argument(help="The chart's name.")],
    source: Annotated[Path, typer.Option("--from", help="Folder that `package` wrote.")],
    repository: Annotated[str, typer.Option("--to", help="oci://registry/path; log in with `helm registry login`.")],
    plain_http: Annotated[bool, typer.Option("--plain-http", help="The registry has no TLS.")] = False,
) -> None:
    """Push one package; a version that the registry has with other content is refused (exit 3).

    Prints digest=<of the manifest> and sbom=<file>, as outputs of a step.
    """
    pushed = push_chart(chart, source, repository, plain_http=plain_http)
    sys.stderr.write(f"{'pushed' if pushed.new else 'already there'}: {pushed.reference}\n")
    sys.stdout.write(f"digest={pushed.digest}\nsbom={pushed.sbom}\n")
