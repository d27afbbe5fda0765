"""The output for programs: one JSON document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mldeploy.report.finding import Finding, Report


def render(report: Report) -> str:
    """Write the report as JSON: `{"tool", "findings": […], "checked", "seconds"}`."""
    return (
        json.dumps(
            {
                "tool": report.tool,
                "findings": [_finding(finding) for finding in report.findings],
                "checked": {report.checked[1]: report.checked[0]},
                "seconds": round(report.seconds, 3),
            },
            indent=2,
        )
        + "\n"
    )


def _finding(finding: Finding) -> dict[str, object]:
    return {
        "path": str(finding.path),
        "line": finding.line,
        "column": finding.column,
        "endColumn": finding.end_column or None,
        "severity": finding.severity,
        "rule": finding.rule,
        "message": finding.message,
        "remedy": finding.remedy or None,
        "related": [
            {"path": str(other.path), "line": other.line, "column": other.column, "message": other.message}
            for other in finding.related
        ],
    }
