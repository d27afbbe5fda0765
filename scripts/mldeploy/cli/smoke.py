"""`mldeploy smoke`: asks what was deployed whether it works."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mldeploy import paths
from mldeploy.cli.target import selected, target
from mldeploy.cli.typer_command import run_typer
from mldeploy.errors import ExitCode

app = typer.Typer(add_completion=False)


class Output(StrEnum):
    """The formats."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"


@app.command()
def smoke(  # noqa: PLR0917 - typer passes by name
    environment: Annotated[str, typer.Argument(metavar="ENV", help="dev, staging, prod, ...")],
    selector: Annotated[
        list[str] | None, typer.Option(metavar="LABEL=VALUE,...", help="Only these releases, as for helmfile.")
    ] = None,
    output: Annotated[Output, typer.Option(help="The format on stdout.")] = Output.TEXT,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds for each service to become ready.")] = 120.0,
    context: Annotated[str, typer.Option(help="The kube-context; default: the current one.")] = "",
    kubeconfig: Annotated[Path | None, typer.Option(help="The kubeconfig; default: as kubectl finds it.")] = None,
) -> ExitCode:
    """Smoke-test an environment: wait until each service is ready, then run the checks that values/smoke.yaml declares.

    Exit code 0: all passed; 1: a check failed (with the pods' states, warnings and log lines);
    2: it could not be asked.

    Examples: mldeploy smoke dev    mldeploy smoke staging --selector service=ml-api --output junit
    """
    from mldeploy.report import checks as report
    from mldeploy.report.progress import ConsoleProgress
    from mldeploy.smoke import smoke as run

    root = paths.checkout()
    chosen = selected(root, environment, selector or [])
    kubeconfig, context = target(root, environment, kubeconfig=kubeconfig, context=context)
    results = run(
        root,
        environment,
        kubeconfig=kubeconfig,
        context=context,
        releases=chosen,
        ready_timeout_s=timeout,
        progress=ConsoleProgress(paths.cache() / "durations.json"),
    )
    write = {Output.TEXT: report.as_text, Output.JSON: report.as_json, Output.JUNIT: report.as_junit}[output]
    typer.echo(write(results))
    return ExitCode.CLEAN if all(result.passed for result in results) else ExitCode.FINDINGS


def main(argv: Sequence[str]) -> int:
    """Run the command on the words after its name."""
    return run_typer(app, "smoke", argv)
