"""JUnit XML, for the test panels of CI systems: a file is a test case, a finding its failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldeploy.report.escape import visible

if TYPE_CHECKING:
    from mldeploy.report.finding import Report


def render(report: Report) -> str:
    """Write one suite; a run without findings has one passing case."""
    from xml.etree import ElementTree as ET

    cases = dict.fromkeys(finding.path for finding in report.findings)
    suite = ET.Element(
        "testsuite",
        name=report.tool,
        tests=str(len(cases) or 1),
        failures=str(len(cases)),
        errors="0",
        time=f"{report.seconds:.3f}",
    )
    for path in cases:
        case = ET.SubElement(suite, "testcase", name=visible(path.as_posix()), classname=report.tool)
        for finding in report.findings:
            if finding.path == path:
                failure = ET.SubElement(case, "failure", message=visible(finding.message), type=finding.rule)
                failure.text = visible(str(finding))
    if not cases:
        ET.SubElement(suite, "testcase", name=report.summary, classname=report.tool)
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
