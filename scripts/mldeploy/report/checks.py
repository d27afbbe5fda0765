"""Smoke checks as text, JSON and JUnit XML."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from mldeploy.report.escape import visible


class Check(Protocol):
    """What is reported of a check; see `mldeploy.smoke.CheckResult`."""

    @property
    def environment(self) -> str: ...  # noqa: D102
    @property
    def service(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def outcome(self) -> Literal["passed", "failed", "skipped"]: ...  # noqa: D102
    @property
    def seconds(self) -> float: ...  # noqa: D102
    @property
    def message(self) -> str: ...  # noqa: D102
    @property
    def measures(self) -> Mapping[str, float]: ...  # noqa: D102
    @property
    def details(self) -> Sequence[str]: ...  # noqa: D102


def as_text(checks: Sequence[Check]) -> str:
    """Write a line for each check, what is known about failures below it, and a summary; no line end at the end."""
    width = max((len(f"{check.service} {check.name}") for check in checks), default=0)
    lines = []
    for check in checks:
        name = f"{check.service} {check.name}".ljust(width)
        measures = "".join(f"  {key} {value:.1f} ms" for key, value in check.measures.items())
        message = f"  {visible(check.message)}" if check.message else ""
        lines.append(f"{check.outcome:<7}  {name}  {check.seconds:6.2f} s{measures}{message}")
        lines += [f"           {visible(detail)}" for detail in check.details]
    counts = {outcome: sum(check.outcome == outcome for check in checks) for outcome in ("passed", "failed", "skipped")}
    lines.append(", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count or outcome == "passed"))
    return "\n".join(lines)


def as_json(checks: Sequence[Check]) -> str:
    """Write `{"passed": bool, "checks": [...]}`; measures are milliseconds."""
    return json.dumps(
        {
            "passed": all(check.outcome == "passed" for check in checks),
            "checks": [
                {
                    "environment": check.environment,
                    "service": check.service,
                    "name": check.name,
                    "outcome": check.outcome,
                    "seconds": round(check.seconds, 3),
                    "message": check.message or None,
                    "milliseconds": {key: round(value, 2) for key, value in check.measures.items()},
                    "details": list(check.details),
                }
                for check in checks
            ],
        },
        indent=2,
    )


def as_junit(checks: Sequence[Check]) -> str:
    """Write a suite for each service of each environment, a case for each check."""
    from xml.etree import ElementTree as ET

    root = ET.Element("testsuites", name="mldeploy smoke")
    for environment, service in dict.fromkeys((check.environment, check.service) for check in checks):
        mine = [check for check in checks if (check.environment, check.service) == (environment, service)]
        suite = ET.SubElement(
            root,
            "testsuite",
            name=f"{environment}.{service}",
            tests=str(len(mine)),
            failures=str(sum(check.outcome == "failed" for check in mine)),
            skipped=str(sum(check.outcome == "skipped" for check in mine)),
            errors="0",
            time=f"{sum(check.seconds for check in mine):.3f}",
        )
        for check in mine:
            _case(suite, check, f"{environment}.{service}")
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True)


def _case(suite: object, check: Check, classname: str) -> None:
    from xml.etree import ElementTree as ET

    assert isinstance(suite, ET.Element)  # noqa: S101 - typed as object so that the import above stays late
    case = ET.SubElement(suite, "testcase", classname=classname, name=check.name, time=f"{check.seconds:.3f}")
    if check.outcome == "failed":
        failure = ET.SubElement(case, "failure", message=visible(check.message), type="SmokeCheck")
        failure.text = visible("\n".join([check.message, *check.details]))
    elif check.outcome == "skipped":
        ET.SubElement(case, "skipped", message=visible(check.message))
    for key, value in check.measures.items():
        properties = case.find("properties")
        if properties is None:
            properties = ET.SubElement(case, "properties")
        ET.SubElement(properties, "property", name=f"{key}_ms", value=f"{value:.2f}")
