"""A plan's JSON becomes the selectors of a deployment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mldeploy.cli.main import main


def write(folder: Path, content: object) -> str:
    path = folder / "plan.json"
    path.write_text(json.dumps(content))
    return str(path)


def release(environment: str, service: str, affected: bool) -> dict[str, object]:
    return {"environment": environment, "service": service, "affected": affected}


def test_only_what_is_affected_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = write(
        tmp_path,
        {"releases": [release("prod", "ml-batch", True), release("dev", "x", True), release("prod", "ml-api", True)]},
    )
    assert main(["github", "affected", "prod", plan]) == 0
    out = capsys.readouterr().out
    assert out == "affected=true\nselectors=--selector service=ml-api --selector service=ml-batch\n"


def test_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["github", "affected", "prod", write(tmp_path, {"releases": [release("prod", "ml-api", False)]})]) == 0
    assert capsys.readouterr().out == "affected=false\nselectors=\n"


@pytest.mark.parametrize("content", [[], {}, {"releases": [{}]}, {"releases": [release("prod", "x --file y", True)]}])
def test_what_is_no_plan(tmp_path: Path, content: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["github", "affected", "prod", write(tmp_path, content)]) == 2
    assert capsys.readouterr().out == ""


def test_no_file(tmp_path: Path) -> None:
    assert main(["github", "affected", "prod", str(tmp_path / "absent.json")]) == 2
