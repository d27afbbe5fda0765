"""Markdown for a step summary or a comment: a table of findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldeploy.report.escape import markdown

if TYPE_CHECKING:
    from mldeploy.report.finding import Report

# GitHub cuts a comment at 65,536 characters and a step summary at 1 MiB.
_MAX_CHARACTERS = 60_000


def render(report: Report) -> str:
    """Write the summary and a table with a row for each finding, as many as fit into a comment."""
    lines = [f"**{markdown(report.tool)}**: {report.summary}", ""]
    if report.findings:
        lines += ["| place | finding | remedy |", "| --- | --- | --- |"]
    size = sum(map(len, lines))
    for count, finding in enumerate(report.findings):
        place = markdown(f"{finding.path.as_posix()}:{finding.line}:{finding.column}")
        row = f"| {place} | {markdown(finding.message)} ({markdown(finding.rule)}) | {markdown(finding.remedy)} |"
        size += len(row) + 1
        if size > _MAX_CHARACTERS:
            lines += ["", f"and {len(report.findings) - count:,} more; see the log"]
            break
        lines.append(row)
    return "\n".join(lines) + "\n"
