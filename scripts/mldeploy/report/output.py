"""Which output to write: a format by name, and the right default for where the command runs."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mldeploy.report.finding import Report

_MODULES = {
    "text": "text",
    "json": "data",
    "github": "github",
    "sarif": "sarif",
    "junit": "junit",
    "markdown": "markdown",
}
FORMATS = tuple(_MODULES)


def default_format() -> str:
    """Give `github` inside GitHub Actions, `text` elsewhere."""
    return "github" if os.environ.get("GITHUB_ACTIONS") == "true" else "text"


def write(report: Report, form: str, root: Path) -> None:
    """Write a report to stdout.

    Args:
        report: what to write.
        form: one of `FORMATS`.
        root: the folder that the findings' paths are relative to; for the code frames of a terminal.
    """
    if form == "text" and sys.stdout.isatty():
        from mldeploy.report.text import show

        show(report, root)
        return
    sys.stdout.write(str(import_module(f"mldeploy.report.{_MODULES[form]}").render(report)))
