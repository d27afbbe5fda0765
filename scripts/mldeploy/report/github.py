"""Annotations for GitHub Actions: workflow commands on stdout, one a finding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldeploy.report.escape import visible, workflow_data, workflow_property

if TYPE_CHECKING:
    from mldeploy.report.finding import Finding, Report


def render(report: Report) -> str:
    """Write `::error file=…,line=…,col=…,title=…::message` lines and the summary.

    GitHub shows ten annotations of each kind for a step; the rest are in the log all the same.
    """
    return "\n".join([*map(_command, report.findings), report.summary]) + "\n"


def _command(finding: Finding) -> str:
    properties = {
        "file": finding.path.as_posix(),
        "line": str(finding.line),
        "col": str(finding.column),
        "title": finding.rule,
    }
    if finding.end_column:
        properties["endColumn"] = str(finding.end_column)
    listed = ",".join(f"{name}={workflow_property(value)}" for name, value in properties.items())
    lines = [visible(finding.message), *([f"-> {visible(finding.remedy)}"] if finding.remedy else [])]
    lines += [f"{other.path}:{other.line}:{other.column}: {visible(other.message)}" for other in finding.related]
    return f"::{finding.severity} {listed}::{workflow_data(chr(10).join(lines))}"
