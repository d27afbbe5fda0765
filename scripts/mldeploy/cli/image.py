"""`mldeploy image`: builds, lists, loads and pushes the images of this checkout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from mldeploy import paths
from mldeploy.cli.typer_command import run_typer
from mldeploy.report.progress import ConsoleProgress

_NAME = Annotated[str, typer.Argument(help="which image (mldeploy image list)")]
_NAMES = Annotated[list[str] | None, typer.Argument(help="which images; default: all", show_default=False)]

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Build, list, load and push the images of this checkout."
)


def _progress() -> ConsoleProgress:
    return ConsoleProgress(paths.cache() / "durations.json")


@app.command(epilog="Examples: mldeploy image build; mldeploy image build ml-service --update dev")
def build(
    names: _NAMES = None,
    update: Annotated[
        str, typer.Option(metavar="ENV", help="write ml-service's new tag into values/ENV/values.yaml")
    ] = "",
) -> None:
    """Build what changed since it was last built; print each image's reference.

    With Docker where it runs, otherwise (as root) with buildah on a base of Debian packages. The tag is a hash of what
    goes in. What others publish (external-secrets), of pinned programs and nothing else, is built when it is named.
    """
    from mldeploy.image import IMAGES
    from mldeploy.image import build as build_image
    from mldeploy.image.pin import pin
    from mldeploy.published import SOURCES
    from mldeploy.published import build as build_published

    root = paths.checkout()
    progress = _progress()
    for name in names or IMAGES:
        if name in SOURCES:
            for built in build_published(name, progress).references.values():
                typer.echo(built)
        else:
            typer.echo(build_image(root, name, progress).reference)
    if update:
        changed = pin(root, update)
        progress.note(f"values/{update}/values.yaml: {'updated' if changed else 'already up to date'}")


@app.command(epilog="Example: mldeploy image reference ml-service")
def reference(name: _NAME) -> None:
    """Print the reference that an image has, built or not: its tag is a hash of what goes in."""
    from mldeploy.image.reference import reference as reference_of

    typer.echo(reference_of(paths.checkout(), name))


@app.command("list")
def list_images() -> None:
    """Show each image's reference, and the archive and its size where it is built."""
    from mldeploy.image import cached

    for name, image in cached(paths.checkout()):
        state = f"{image.archive}  {image.archive.stat().st_size / 1e6:.0f} MB" if image else "not built"
        typer.echo(f"{name}  {state}")


@app.command(epilog="Example: mldeploy image load ml-service")
def load(
    names: _NAMES = None,
    cluster: Annotated[str, typer.Option(help="the cluster's name")] = "local",
) -> None:
    """Build what changed, and put the images into a cluster's nodes."""
    from mldeploy.cluster import open_cluster
    from mldeploy.image import IMAGES
    from mldeploy.image import build as build_image

    root = paths.checkout()
    progress = _progress()
    target = open_cluster(root, name=cluster)
    for name in names or IMAGES:
        image = build_image(root, name, progress)
        target.load_image(image.archive, progress)
        typer.echo(image.reference)


@app.command(
    epilog="Example: REGISTRY_USERNAME=ci REGISTRY_PASSWORD=... mldeploy image push ml-service "
    "--registry registry.example.com --project ml"
)
def push(
    name: _NAME,
    registry: Annotated[str, typer.Option(envvar="REGISTRY", help="host, with its port if it has one")],
    project: Annotated[str, typer.Option(envvar="PROJECT", help="path in the registry")],
    repository: Annotated[str, typer.Option("--name", envvar="NAME", help="name there; default: the image's")] = "",
    auth_file: Annotated[
        Path | None,
        typer.Option(
            envvar="REGISTRY_AUTH_FILE",
            help="credentials, as `docker login` writes them; default: REGISTRY_USERNAME and REGISTRY_PASSWORD",
        ),
    ] = None,
) -> None:
    """Build what changed and push it; print the reference with its digest, as values take it."""
    from mldeploy.image.push import Destination
    from mldeploy.image.push import push as push_image

    destination = Destination(registry, project, repository or name)
    typer.echo(push_image(paths.checkout(), name, destination, auth_file, _progress()))


def main(argv: Sequence[str]) -> int:
    """Run the command."""
    return run_typer(app, "image", argv)
