"""`mldeploy tools`: installs and lists the pinned programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from mldeploy import paths
from mldeploy.cli.typer_command import run_typer

app = typer.Typer(no_args_is_help=True, help="Install and list the pinned programs: helm, kubectl, containerd, ...")


@app.command(epilog="Examples: mldeploy tools install; mldeploy tools install helm kubectl")
def install(
    names: Annotated[list[str] | None, typer.Argument(help="which ones; default: all", show_default=False)] = None,
) -> None:
    """Find or build the tools; a second run takes a moment and changes nothing.

    Without names, missing packages of the distribution are installed too, where that is allowed.
    """
    from mldeploy.report.progress import ConsoleProgress
    from mldeploy.toolchain import environments, install_packages
    from mldeploy.toolchain import install as install_tools

    progress = ConsoleProgress(paths.cache() / "durations.json")
    wanted = names or []
    if not wanted:
        install_packages(progress)
    # The quick ones first.
    installed = environments.install([name for name in environments.NAMES if name in wanted or not wanted], progress)
    built = [name for name in wanted if name not in environments.NAMES]
    if built or not wanted:
        installed += install_tools(built, progress)
    progress.note(f"Installed: {', '.join(installed)}." if installed else "Every tool is installed and good.")


@app.command("list")
def list_tools() -> None:
    """Show each tool: version, where it is from, whether it is good, and its size."""
    from mldeploy.toolchain.inventory import environment_rows, inventory

    lines = [("tool", "version", "group", "from", "state", "size")]
    for row in [*inventory(), *environment_rows()]:
        size = f"{row.size / 1e6:.1f} MB" if row.size else "-"
        lines.append((row.name, row.version, row.group, row.source, row.state, size))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def main(argv: Sequence[str]) -> int:
    """Run the command."""
    return run_typer(app, "tools", argv)
