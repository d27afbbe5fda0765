"""SARIF 2.1.0, for code scanning."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from pathlib import PurePath

    from mldeploy.report.finding import Finding, Report

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def render(report: Report) -> str:
    """Write the report as one SARIF run; fingerprints do not change when lines move."""
    used = sorted({finding.rule for finding in report.findings})
    seen: Counter[str] = Counter()
    run = {
        "tool": {"driver": {"name": report.tool, "rules": [_rule(name, report.rules.get(name, "")) for name in used]}},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"ROOT": {"description": {"text": "the root of the checkout"}}},
        "results": [_result(finding, used.index(finding.rule), seen) for finding in report.findings],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(name: str, documentation: str) -> dict[str, object]:
    first = documentation.strip().split("\n", 1)[0] or name
    return {
        "id": name,
        "shortDescription": {"text": first},
        "fullDescription": {"text": first},
        "help": {"text": documentation.strip() or name},
    }


def _result(finding: Finding, index: int, seen: Counter[str]) -> dict[str, object]:
    base = f"{finding.rule}\n{finding.path.as_posix()}\n{finding.message}"
    seen[base] += 1
    text = f"{finding.message}; {finding.remedy}" if finding.remedy else finding.message
    result: dict[str, object] = {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": finding.severity,
        "message": {"text": text},
        "locations": [_location(finding.path, finding.line, finding.column, finding.end_column)],
        "partialFingerprints": {
            "finding/v1": hashlib.sha256(f"{base}\n{seen[base]}".encode("utf-8", "replace")).hexdigest()
        },
    }
    if finding.related:
        result["relatedLocations"] = [
            {**_location(other.path, other.line, other.column, 0), "message": {"text": other.message}}
            for other in finding.related
        ]
    return result


def _location(path: PurePath, line: int, column: int, end_column: int) -> dict[str, object]:
    region = {"startLine": line, "startColumn": column}
    if end_column:
        region["endColumn"] = end_column
    where: dict[str, object] = {"uri": quote(path.as_posix(), errors="replace")}
    if not path.is_absolute():
        where["uriBaseId"] = "ROOT"
    return {"physicalLocation": {"artifactLocation": where, "region": region}}
