"""`mldeploy up`: the command behind `scripts/up`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from mldeploy import paths
from mldeploy.cli.typer_command import run_typer
from mldeploy.errors import ExitCode

_NEXT = """
Both services answer in dev. Next:
  eval "$(.venv/bin/mldeploy env)"              # the tools and the kubeconfig into this shell
  kubectl get pods --namespace dev
  {daily}
  mldeploy forward dev ml-api                   # then: curl the printed address /readyz
  mldeploy cluster down                         # leaves nothing behind
"""

_DAILY = "helmfile --selector service=ml-api apply      # the daily command: nothing to change now"

app = typer.Typer(add_completion=False)


@app.command()
def up(
    extras: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="NAME",
            help="add argocd or flux (it deploys dev from git), or vault (staging's secrets come from it)",
            show_default=False,
        ),
    ] = None,
) -> ExitCode:
    """From a bare machine to both services answering on a real Kubernetes node.

    Installs what is missing (distribution packages, tools, images), starts the embedded cluster with the External
    Secrets Operator and dev's store, applies dev and smoke-tests it. A second run takes seconds and changes nothing;
    after an interruption the same command goes on.

    Examples: scripts/up; scripts/up --with argocd
    """
    from mldeploy.report.checks import as_text
    from mldeploy.report.progress import ConsoleProgress
    from mldeploy.up.sequence import up as bring_up

    outcome = bring_up(paths.checkout(), ConsoleProgress(paths.cache() / "durations.json"), extras or ())
    typer.echo(as_text(outcome.checks))
    if not all(check.outcome == "passed" for check in outcome.checks):
        return ExitCode.FINDINGS
    typer.echo(closing(outcome.daily, applied=outcome.applied))
    return ExitCode.CLEAN


def closing(daily: Sequence[str], *, applied: bool) -> str:
    """Give the last lines: what to try next.

    Args:
        daily: what deploys dev from now on; empty: helmfile.
        applied: whether this run changed anything.
    """
    text = _NEXT.format(daily="\n  ".join(daily or [_DAILY])).strip("\n")
    return text if applied else f"Nothing to change.\n\n{text}"


def main(argv: Sequence[str]) -> int:
    """Run the command on the words after its name."""
    return run_typer(app, "up", argv)
