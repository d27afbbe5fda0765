"""`mldeploy gitops`: deploying by git, through Argo CD or Flux."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mldeploy import paths
from mldeploy.cli.typer_command import run_typer
from mldeploy.cluster import DEFAULT_NAME
from mldeploy.errors import ExitCode, MldeployError

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Deploying by git, through Argo CD or Flux.")

_DEFAULT_BRANCH = "rendered"
_PUBLISH_EXAMPLES = """Examples:

  mldeploy gitops publish                                  HEAD's manifests onto the branch "rendered" of this clone

  mldeploy gitops publish --push origin                    onto that branch of origin, on top of what is there

  mldeploy gitops publish --folder ../manifests -e prod    prod's into a folder

  mldeploy gitops publish --folder out --head worktree     the working tree as it is, marked as modified

Exit codes: 0 published, or nothing to publish; 2 something does not render; 3 refused (a secret, uncommitted edits,
files that somebody else changed, an older commit).
"""


class Output(StrEnum):
    """The formats of `status`."""

    TEXT = "text"
    JSON = "json"


@app.command(epilog=_PUBLISH_EXAMPLES)
def publish(
    branch: Annotated[str, typer.Option(help=f"The branch to publish onto; default: {_DEFAULT_BRANCH}.")] = "",
    folder: Annotated[Path | None, typer.Option(help="Publish into this folder instead.")] = None,
    push: Annotated[str, typer.Option(metavar="REMOTE", help="The branch is this remote's, not this clone's.")] = "",
    head: Annotated[
        str, typer.Option(metavar="REF", help="What to publish; default: HEAD, if nothing is edited. Or worktree.")
    ] = "",
    environment: Annotated[
        list[str] | None, typer.Option("--environment", "-e", metavar="NAME", help="Only this; repeatable.")
    ] = None,
) -> None:
    """Write the rendered manifests where Argo CD and Flux read them, with where they are from; never a secret.

    A file for each object, below ENVIRONMENT/SERVICE. Prints the plan of it, which is the commit's message too.
    """
    import sys

    from mldeploy.gitops.branch import Branch
    from mldeploy.gitops.publish import to_branch, to_folder
    from mldeploy.plan.reports import write
    from mldeploy.plan.sides import WORKTREE

    root = paths.checkout()
    if folder is not None:
        if branch or push:
            raise MldeployError("--folder is another place than --branch and --push", remedy="choose one")
        done = to_folder(root, folder, head=head or None, wanted=environment or ())
        place = str(folder)
    else:
        if head == WORKTREE:
            raise MldeployError(
                "a branch has what was committed", remedy="commit it, or publish the working tree into a --folder"
            )
        name = branch or _DEFAULT_BRANCH
        done = to_branch(Branch(root, name, push), head=head or None, wanted=environment or ())
        place = f"{name} of {push}" if push else name
    sys.stdout.write(write(done.plan, "text"))
    what = f"published to {place}" if done.written else f"nothing to publish: {place} is up to date"
    typer.echo(f"{what} ({done.commit[:10]})" if done.commit else what, err=True)


@app.command(epilog="Examples: mldeploy gitops status; mldeploy gitops status --context ml-prod --output json")
def status(
    output: Annotated[Output, typer.Option(help="The format on stdout.")] = Output.TEXT,
    context: Annotated[str, typer.Option(help="The kube-context; default: the current one.")] = "",
    kubeconfig: Annotated[Path | None, typer.Option(help="The kubeconfig; default: as kubectl finds it.")] = None,
) -> ExitCode:
    """Show what Argo CD and Flux deploy on a cluster: the commit, whether the cluster is as it says, and its health.

    Only reads. Exit code 0: every newest commit runs, and well; 1: one does not, or nothing is deployed yet; 2: the
    cluster has neither of the two, or could not be asked.
    """
    from mldeploy.cli.target import own_cluster
    from mldeploy.gitops.status import statuses
    from mldeploy.gitops.status.table import as_json, as_text

    kubeconfig, context = own_cluster(paths.checkout(), kubeconfig=kubeconfig, context=context)
    found = statuses(kubeconfig, context)
    typer.echo({Output.TEXT: as_text, Output.JSON: as_json}[output](found))
    return ExitCode.CLEAN if found and all(one.good for one in found) else ExitCode.FINDINGS


@app.command(epilog="Example: mldeploy gitops push")
def push(
    cluster: Annotated[str, typer.Option(metavar="NAME", help="The embedded cluster.")] = DEFAULT_NAME,
) -> None:
    """Put this checkout's commit into the repository inside an embedded cluster, and let Argo CD or Flux know.

    What `git push` is to a real repository; for Flux, what it would publish as well. Prints the commit. The repository
    is started by mldeploy up --with argocd, or --with flux.
    """
    from mldeploy.cluster import open_cluster
    from mldeploy.gitops.deliver import deliver
    from mldeploy.report.progress import ConsoleProgress

    root = paths.checkout()
    done = deliver(root, open_cluster(root, name=cluster), ConsoleProgress(paths.cache() / "durations.json"))
    typer.echo(done.commit)
    for environment, commit in done.published.items():
        typer.echo(f"published for Flux: {environment} ({commit[:10]})", err=True)


def main(argv: Sequence[str]) -> int:
    """Run the command."""
    return run_typer(app, "gitops", argv)
