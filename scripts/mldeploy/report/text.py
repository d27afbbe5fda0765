"""The output for people: one line a finding, a code frame on a terminal, a summary line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from mldeploy.report.escape import visible

if TYPE_CHECKING:
    from mldeploy.report.finding import Finding, Report

_FRAME_WIDTH = 160


def render(report: Report) -> str:
    """Write the report as plain text."""
    lines = [visible(str(finding)) for finding in report.findings]
    return "\n".join([*lines, report.summary]) + "\n"


def show(report: Report, root: Path, stream: TextIO | None = None) -> None:
    """Print the report to a terminal, in colour and with the offending lines.

    Args:
        report: what to print.
        root: the folder that the findings' paths are relative to.
        stream: the terminal; default: stdout.
    """
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream or sys.stdout, highlight=False, soft_wrap=True, emoji=False, markup=False)
    for finding in report.findings:
        style = "bold red" if finding.severity == "error" else "bold yellow"
        line = Text()
        line.append(f"{visible(str(finding.path))}:{finding.line}:{finding.column}: ", style="bold")
        line.append(visible(finding.message), style=style)
        line.append(f" ({finding.rule})", style="dim")
        if finding.remedy:
            line.append(f"; {visible(finding.remedy)}", style="green")
        console.print(line)
        for row in frame(finding, root):
            console.print(Text(row, style="dim"))
        for related in finding.related:
            place = f"{related.path}:{related.line}:{related.column}"
            console.print(Text(f"     = {visible(place)}: {visible(related.message)}", style="dim"))
    console.print(Text(report.summary, style="bold red" if report.findings else "bold green"))


def frame(finding: Finding, root: Path) -> list[str]:
    """Give the offending line and a row of carets under the text; nothing if the file cannot be read any more."""
    try:
        rows = (root / finding.path).read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return []
    if not 0 < finding.line <= len(rows):
        return []
    source = rows[finding.line - 1].rstrip("\r")
    start = min(finding.column - 1, len(source))
    end = max(min(finding.end_column - 1, len(source)), start + 1)
    left = visible(source[:start].replace("\t", " "))
    cut = max(len(left) - _FRAME_WIDTH // 2, 0)
    shown = (left + visible(source[start:].replace("\t", " ")))[cut : cut + _FRAME_WIDTH]
    carets = "^" * max(min(len(visible(source[start:end])), _FRAME_WIDTH // 2), 1)
    return [f"{finding.line:>4} | {shown}", f"     | {' ' * (len(left) - cut)}{carets}"]
