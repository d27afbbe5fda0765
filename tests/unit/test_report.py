# ruff: noqa: E501 - an annotation is one line
"""Findings in every output: right, valid by the format's own schema, and harmless whatever a file says."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree as ET

import pytest
from inline_snapshot import snapshot

from mldeploy.report import data, github, junit, markdown, sarif, text
from mldeploy.report.finding import Finding, Related, Report
from mldeploy.report.output import FORMATS, default_format, write

ONE = Finding(
    PurePosixPath("values/prod/ml-api.yaml"),
    7,
    3,
    "there is no key 'replica'",
    "unknown-key",
    "did you mean 'replicas'?",
    end_column=10,
    related=(Related(PurePosixPath("charts/ml-api/values.yaml"), 26, 1, "overrides 2 here"),),
)
HOSTILE = "a\n::error::b\r%0A\x1b[31m|<img src=x onerror=y>`@team`\u202e**x** [l](http://e.vil) ]]></failure>\x00\ud800"
BAD = Finding(PurePosixPath("va:lues,\n::set/x.yaml"), 1, 1, HOSTILE, "schema", HOSTILE, "warning")


def _report(*findings: Finding) -> Report:
    rules = {"unknown-key": "A key that the chart does not have.\n\nMore."}
    return Report("mldeploy lint", findings, (12, "files"), 0.0412, rules)


def test_text() -> None:
    assert text.render(_report(ONE)) == snapshot(
        """\
values/prod/ml-api.yaml:7:3: there is no key 'replica' (unknown-key); did you mean 'replicas'?
1 finding in 1 file; checked 12 files in 0.04 s
"""
    )
    assert text.render(_report()) == "no findings in 12 files in 0.04 s\n"


def test_github() -> None:
    assert github.render(_report(ONE)) == snapshot(
        """\
::error file=values/prod/ml-api.yaml,line=7,col=3,title=unknown-key,endColumn=10::there is no key 'replica'%0A-> did you mean 'replicas'?%0Acharts/ml-api/values.yaml:26:1: overrides 2 here
1 finding in 1 file; checked 12 files in 0.04 s
"""
    )


def test_json() -> None:
    assert json.loads(data.render(_report(ONE))) == snapshot(
        {
            "tool": "mldeploy lint",
            "findings": [
                {
                    "path": "values/prod/ml-api.yaml",
                    "line": 7,
                    "column": 3,
                    "endColumn": 10,
                    "severity": "error",
                    "rule": "unknown-key",
                    "message": "there is no key 'replica'",
                    "remedy": "did you mean 'replicas'?",
                    "related": [
                        {"path": "charts/ml-api/values.yaml", "line": 26, "column": 1, "message": "overrides 2 here"}
                    ],
                }
            ],
            "checked": {"files": 12},
            "seconds": 0.041,
        }
    )


def test_sarif() -> None:
    run = json.loads(sarif.render(_report(ONE, BAD)))["runs"][0]
    result = run["results"][0]
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "unknown-key"
    region = result["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 7, "startColumn": 3, "endColumn": 10}
    assert result["level"] == "error"
    assert run["results"][1]["level"] == "warning"


def test_sarif_fingerprints_survive_a_move_and_tell_twins_apart() -> None:
    moved = Finding(ONE.path, 99, 1, ONE.message, ONE.rule)
    prints = [
        [
            result["partialFingerprints"]["finding/v1"]
            for result in json.loads(sarif.render(report))["runs"][0]["results"]
        ]
        for report in (_report(ONE), _report(moved), _report(ONE, moved))
    ]
    assert prints[0] == prints[1] == prints[2][:1]
    assert prints[2][0] != prints[2][1]


def test_sarif_is_valid_by_its_schema() -> None:
    import jsonschema_rs

    path = Path(__file__).parents[1] / "fixtures" / "sarif-2.1.0-subset.schema.json"
    validator = jsonschema_rs.validator_for(json.loads(path.read_text()))
    for report in (_report(ONE, BAD), _report()):
        assert [error.message for error in validator.iter_errors(json.loads(sarif.render(report)))] == []
    with pytest.raises(jsonschema_rs.ValidationError):
        validator.validate({"version": "2.1.0", "runs": [{"results": [{"level": "fatal"}]}]})


def test_junit() -> None:
    suite = ET.fromstring(junit.render(_report(ONE, BAD))).find("testsuite")  # noqa: S314 - our own output
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("2", "2")
    assert [failure.get("type") for failure in suite.iter("failure")] == ["unknown-key", "schema"]
    passed = ET.fromstring(junit.render(_report()))  # noqa: S314
    assert len(list(passed.iter("testcase"))) == 1
    assert not list(passed.iter("failure"))


def test_junit_is_read_by_others() -> None:
    from junitparser import JUnitXml

    xml = JUnitXml.fromstring(junit.render(_report(ONE, BAD)))
    assert [len(list(suite)) for suite in xml] == [2]


@pytest.mark.parametrize("form", FORMATS)
def test_hostile_text_stays_text(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    write(_report(BAD), form, Path())
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\x00" not in out
    assert "\u202e" not in out
    commands = [line for line in out.split("\n") if line.lstrip().startswith("::")]
    assert len(commands) == (1 if form == "github" else 0)
    if form == "markdown":
        assert "<img" not in out
        assert "@team" not in out
        assert not re.search(r"(?<!\\)\|.*onerror.*(?<!\\)\|.*(?<!\\)\|.*(?<!\\)\|.*(?<!\\)\|", out)
        assert not re.search(r"(?<!\\)\[l(?<!\\)\]", out)


def test_markdown_fits_into_a_comment() -> None:
    out = markdown.render(_report(*[ONE] * 5000))
    assert len(out) < 65_536
    assert re.search(r"and [0-9,]+ more", out)


def test_a_terminal_gets_the_line_and_a_caret(tmp_path: Path) -> None:
    file = tmp_path / "values" / "prod" / "ml-api.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("\n" * 6 + "  replica: 3\n")
    shown = io.StringIO()
    text.show(_report(ONE), tmp_path, shown)
    assert shown.getvalue() == snapshot(
        """\
values/prod/ml-api.yaml:7:3: there is no key 'replica' (unknown-key); did you mean 'replicas'?
   7 |   replica: 3
     |   ^^^^^^^
     = charts/ml-api/values.yaml:26:1: overrides 2 here
1 finding in 1 file; checked 12 files in 0.04 s
"""
    )


def test_a_frame_of_a_long_line_is_cut_around_the_finding(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("a" * 5000 + "\tbad\n")
    rows = text.frame(Finding(PurePosixPath("x.yaml"), 1, 5002, "m", "r", end_column=5005), tmp_path)
    assert rows[1].rstrip().endswith("^^^")
    assert rows[0][rows[1].index("^") :].startswith("bad")
    assert max(map(len, rows)) < 200


def test_a_frame_of_a_file_that_is_gone(tmp_path: Path) -> None:
    assert text.frame(ONE, tmp_path) == []


def test_annotations_are_the_default_in_actions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert default_format() == "github"
    monkeypatch.delenv("GITHUB_ACTIONS")
    assert default_format() == "text"
