"""The comment goes to the pull request of GitHub's event, once, whatever the artefact says; real HTTP on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mldeploy.cli.main import main
from mldeploy.errors import MldeployError
from mldeploy.github import Api, last_successful_commit, post_comment
from mldeploy.github.comment import MARKER
from tests.fixtures.github_api import GitHub, serve

COMMIT = "a" * 40
REPOSITORY = "acme/models"


@pytest.fixture
def github() -> Iterator[GitHub]:
    with serve() as server:
        yield server


def api(github: GitHub) -> Api:
    return Api(github.url, f"{github.url}/graphql", REPOSITORY, "t0ken")


def pull(number: int, sha: str = COMMIT, base: str = REPOSITORY) -> dict[str, Any]:
    return {"number": number, "head": {"sha": sha}, "base": {"repo": {"full_name": base}}}


def event(folder: Path, **changes: Any) -> Path:
    run = {
        "event": "pull_request",
        "head_branch": "feature/x&state=closed",
        "head_sha": COMMIT,
        "html_url": "https://github.com/acme/models/actions/runs/7",
        "head_repository": {"owner": {"login": "stranger"}},
        **changes,
    }
    path = folder / "event.json"
    path.write_text(json.dumps({"workflow_run": run}))
    return path


def plan(folder: Path, text: str = "## Plan\n\nnothing") -> Path:
    path = folder / "plan.md"
    path.write_text(text)
    return path


def test_it_is_written_once_and_then_replaced(github: GitHub, tmp_path: Path) -> None:
    github.pulls = [pull(6, "b" * 40), pull(7)]
    assert post_comment(api(github), event(tmp_path), plan(tmp_path)).what == "created"
    assert post_comment(api(github), event(tmp_path), plan(tmp_path, "## Plan\n\nsecond")).what == "updated"
    assert len(github.comments) == 1
    assert github.comments[0]["body"].startswith(f"{MARKER}\n## Plan\n\nsecond")
    assert f"Plan of {COMMIT[:12]}" in github.comments[0]["body"]
    assert ("POST", f"/repos/{REPOSITORY}/issues/7/comments", {}) in github.asked
    assert github.authorization == {"Bearer t0ken"}


def test_the_branch_is_one_value_of_the_query(github: GitHub, tmp_path: Path) -> None:
    github.pulls = [pull(7)]
    post_comment(api(github), event(tmp_path), plan(tmp_path))
    query = next(query for _, path, query in github.asked if path.endswith("/pulls"))
    assert query["head"] == ["stranger:feature/x&state=closed"]
    assert query["state"] == ["open"]


def test_a_comment_of_somebody_else_is_left_alone(github: GitHub, tmp_path: Path) -> None:
    github.pulls = [pull(7)]
    others = [{"id": n, "user": {"login": "stranger"}, "body": f"{MARKER}\nmine"} for n in range(150)]
    github.comments = [*others, {"id": 900, "user": {"login": "github-actions[bot]"}, "body": f"{MARKER}\nold"}]
    assert post_comment(api(github), event(tmp_path), plan(tmp_path)).what == "updated"
    assert {comment["body"] for comment in others} == {f"{MARKER}\nmine"}
    assert len(github.comments) == 151


@pytest.mark.parametrize("pulls", [[], [pull(7, "b" * 40)], [pull(7, base="elsewhere/models")]])
def test_nothing_is_written_where_the_commit_is_no_longer_the_head(
    github: GitHub, tmp_path: Path, pulls: list[dict[str, Any]]
) -> None:
    github.pulls = pulls
    assert post_comment(api(github), event(tmp_path), plan(tmp_path)).what == "stale"
    assert {method for method, _, _ in github.asked} == {"GET"}


def test_the_text_is_made_harmless_and_short(github: GitHub, tmp_path: Path) -> None:
    github.pulls = [pull(7)]
    post_comment(api(github), event(tmp_path), plan(tmp_path, f"{MARKER}\n@everyone <img src=x>\n" + "é\n" * 200_000))
    body = github.comments[0]["body"]
    assert len(body) < 65_536
    assert len(body) > 60_000
    assert "@everyone" not in body
    assert "<img" not in body
    assert body.count(MARKER) == 1


def test_bad_artefacts_and_events(github: GitHub, tmp_path: Path) -> None:
    good = event(tmp_path)
    with pytest.raises(MldeployError, match="no such file"):
        post_comment(api(github), good, tmp_path / "absent.md")
    link = tmp_path / "link.md"
    link.symlink_to("/etc/passwd")
    with pytest.raises(MldeployError, match="no such file"):
        post_comment(api(github), good, link)
    with pytest.raises(MldeployError, match="larger than"):
        post_comment(api(github), good, plan(tmp_path, "x" * 1_000_001))
    with pytest.raises(MldeployError, match="empty"):
        post_comment(api(github), good, plan(tmp_path, "<!-- nothing -->\n"))
    (tmp_path / "binary.md").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MldeployError, match="not UTF-8"):
        post_comment(api(github), good, tmp_path / "binary.md")
    with pytest.raises(MldeployError, match="was for push"):
        post_comment(api(github), event(tmp_path, event="push"), plan(tmp_path))
    with pytest.raises(MldeployError, match="not the event of a workflow_run"):
        post_comment(api(github), event(tmp_path, head_repository=None), plan(tmp_path))
    assert not github.asked


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        ((403, b'{"message": "Resource not accessible by integration"}', {}), "answered 403 .* not accessible"),
        ((302, b"", {"Location": "http://127.0.0.1:1/elsewhere"}), "answered 302"),
        ((200, b"<html>", {}), "not JSON"),
        ((200, b"{}", {}), "not a list"),
    ],
)
def test_refusals_are_told_without_the_token(
    github: GitHub, tmp_path: Path, failure: tuple[int, bytes, dict[str, str]], message: str
) -> None:
    github.failure = failure
    with pytest.raises(MldeployError, match=message) as caught:
        post_comment(api(github), event(tmp_path), plan(tmp_path))
    assert "t0ken" not in str(caught.value) + repr(api(github))


def test_the_commit_of_the_last_success(github: GitHub, tmp_path: Path) -> None:
    assert last_successful_commit(api(github), "prod") is None
    github.deployments["prod"] = [
        {"commitOid": "c" * 40, "latestStatus": None},
        {"commitOid": "b" * 40, "latestStatus": {"state": "FAILURE"}},
        {"commitOid": COMMIT, "latestStatus": {"state": "SUCCESS"}},
        {"commitOid": "d" * 40, "latestStatus": {"state": "INACTIVE"}},
    ]
    assert last_successful_commit(api(github), "prod") == COMMIT
    github.deployments["prod"] = [{"commitOid": "--upload-pack=x", "latestStatus": {"state": "SUCCESS"}}]
    with pytest.raises(MldeployError, match="as a commit"):
        last_successful_commit(api(github), "prod")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"GITHUB_TOKEN": ""}, "GITHUB_TOKEN not set"),
        ({"GITHUB_API_URL": "http://api.example"}, "over https only"),
        ({"GITHUB_REPOSITORY": "../x"}, "not owner/name"),
    ],
)
def test_the_environment_is_checked(changes: dict[str, str], message: str) -> None:
    good = {
        "GITHUB_API_URL": "https://api.example",
        "GITHUB_GRAPHQL_URL": "https://api.example/graphql",
        "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_TOKEN": "t",
    }
    assert Api.from_environment(good).repository == REPOSITORY
    with pytest.raises(MldeployError, match=message):
        Api.from_environment({**good, **changes})


def test_the_command(
    github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    github.pulls = [pull(7)]
    github.deployments["prod"] = [{"commitOid": COMMIT, "latestStatus": {"state": "SUCCESS"}}]
    monkeypatch.delenv("GITHUB_EVENT_PATH", raising=False)
    assert main(["github", "comment", str(plan(tmp_path))]) == 2
    for name, value in {
        "GITHUB_API_URL": github.url,
        "GITHUB_GRAPHQL_URL": f"{github.url}/graphql",
        "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_TOKEN": "t0ken",
        "GITHUB_EVENT_PATH": str(event(tmp_path)),
    }.items():
        monkeypatch.setenv(name, value)
    assert main(["github", "comment", str(plan(tmp_path))]) == 0
    assert capsys.readouterr().err.endswith("created: pull request 7\n")
    assert main(["github", "deployed", "prod"]) == 0
    assert capsys.readouterr().out == f"commit={COMMIT}\n"
