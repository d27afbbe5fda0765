"""The workflows run for real: act takes their jobs' steps, one by one, in a scratch clone, offline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mldeploy.github.text import harmless
from tests.fixtures.act import Clone, git, make_clone, output, passed, reach, steps
from tests.fixtures.github_api import serve


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return make_clone(tmp_path)


def test_lint(clone: Clone) -> None:
    done = clone.act("pull_request", "pull-request.yaml", "lint")
    passed(done)
    assert {"Values", "Spelling", "Python style"} <= set(steps(done))
    assert json.loads((clone.artefacts / "lint.sarif").read_text("utf-8"))["version"] == "2.1.0"


def test_lint_fails_at_the_line(clone: Clone) -> None:
    values = clone.path / "values" / "prod" / "ml-api.yaml"
    values.write_text(values.read_text("utf-8") + "replicaz: 3\n", "utf-8")
    git(clone.path, "commit", "--quiet", "--all", "--message", "a slip")
    done = clone.act("pull_request", "pull-request.yaml", "lint")
    assert done.returncode == 1
    outcomes = steps(done)
    assert (outcomes["Values"], outcomes["Upload SARIF"], outcomes["Spelling"]) == ("failure", "success", "success")
    line = len(values.read_text("utf-8").splitlines())
    assert f"file=values/prod/ml-api.yaml,line={line}" in done.stdout
    found = json.loads((clone.artefacts / "lint.sarif").read_text("utf-8"))["runs"][0]["results"]
    places = {(each["ruleId"], each["locations"][0]["physicalLocation"]["region"]["startLine"]) for each in found}
    assert ("unknown-key", line) in places


def test_plan(clone: Clone) -> None:
    passed(clone.act("pull_request", "pull-request.yaml", "plan"))
    found = json.loads((clone.artefacts / "plan.json").read_text("utf-8"))
    affected = [(release["environment"], release["service"]) for release in found["releases"]]
    assert affected == [("prod", "ml-api")]
    assert "<html" in (clone.artefacts / "plan.html").read_text("utf-8")
    comment = (clone.artefacts / "plan.md").read_text("utf-8")
    assert "values/prod/ml-api.yaml" in comment
    # What posts the comment takes nothing out of a plan of ours that can be seen.
    assert harmless(comment).replace("\u200b", "") == comment.replace("\u200b", "").replace("&#64;", "@")


def test_check(clone: Clone) -> None:
    done = clone.act("pull_request", "pull-request.yaml", "check")
    passed(done)
    assert {"Charts", "What is rendered"} <= set(steps(done))


def test_the_comment_is_posted(clone: Clone) -> None:
    (clone.artefacts / "plan.md").write_text("**1 of 6 releases change** @everyone\n", "utf-8")
    with serve() as github:
        commit = git(clone.path, "rev-parse", "HEAD")
        github.pulls = [{"number": 7, "head": {"sha": commit}, "base": {"repo": {"full_name": "acme/models"}}}]
        passed(clone.act("workflow_run", "plan-comment.yaml", "comment", *reach(github)))
        (comment,) = github.comments
    assert "**1 of 6 releases change** @\u200beveryone" in comment["body"]
    assert commit[:12] in comment["body"]


def test_deploying_selects_what_differs_from_the_last_success(clone: Clone) -> None:
    with serve() as github:
        base = git(clone.path, "rev-parse", "HEAD^1")
        github.deployments = {
            "prod": [
                {"commitOid": git(clone.path, "rev-parse", "HEAD"), "latestStatus": {"state": "FAILURE"}},
                {"commitOid": base, "latestStatus": {"state": "SUCCESS"}},
            ],
            "staging": [{"commitOid": base, "latestStatus": {"state": "SUCCESS"}}],
        }
        done = clone.act("push", "deploy.yaml", "prod", *reach(github))
    assert done.returncode == 0, output(done)
    said = [line.strip() for line in output(done).splitlines() if "::set-output::" in line]
    told = [line.partition(":: ")[2] for line in said if "affected=" in line or "selectors=" in line]
    # dev has no success yet, so all of it is applied; nothing differs in staging; in prod one release does.
    # act tells one step's outputs in any order.
    assert [sorted(told[:2]), sorted(told[2:])] == [
        ["affected=false", "selectors="],
        ["affected=true", "selectors=--selector service=ml-api"],
    ]
    assert "helmfile" not in done.stdout, "without CLOUD nothing is applied"


def test_a_release_packages_the_charts(clone: Clone) -> None:
    passed(clone.act("push", "release.yaml", "package"))
    made = sorted(path.name for path in clone.artefacts.rglob("*.tgz"))
    assert [name.rpartition("-")[0] for name in made] == ["ml-api", "ml-batch"]
    assert len(list(clone.artefacts.rglob("*.cdx.json"))) == 2
