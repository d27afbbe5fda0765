"""One sticky comment on a pull request, from a file that a stranger may have written.

It runs in a `workflow_run` workflow, with the right to write comments, on what the pull request's own workflow made.
That artefact is not believed: which pull request is meant comes from the event and from GitHub, and the text is made
harmless.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mldeploy.errors import MldeployError
from mldeploy.github.api import Api
from mldeploy.github.text import harmless, limited

MARKER = "<!-- mldeploy plan -->"
_BOT = "github-actions[bot]"
_FILE_LIMIT = 1_000_000


@dataclass(frozen=True)
class Run:
    """The workflow run that made the artefact, as GitHub's event describes it."""

    owner: str
    branch: str
    commit: str
    url: str


@dataclass(frozen=True)
class Posted:
    """What was done: `created`, `updated`, or `stale` (the pull request has moved on, or is closed)."""

    what: str
    number: int | None


def post_comment(api: Api, event: Path, body: Path) -> Posted:
    """Write or replace the comment of the pull request that the event's run was for.

    Args:
        api: the repository.
        event: the event of the `workflow_run` workflow (GITHUB_EVENT_PATH).
        body: the Markdown from the artefact.

    Raises:
        MldeployError: the event is another one, the file is no text of a bearable size, or GitHub refused.
    """
    run = _run(event)
    text = f"{MARKER}\n{_body(body, run)}\n"
    number = _pull_request(api, run)
    if number is None:
        return Posted("stale", None)
    for comment in api.get_all(f"issues/{number}/comments"):
        # Somebody else's comment with our marker in it is not ours.
        if comment["user"]["login"] == _BOT and comment["body"].startswith(MARKER):
            api.send("PATCH", f"issues/comments/{int(comment['id'])}", {"body": text})
            return Posted("updated", number)
    api.send("POST", f"issues/{number}/comments", {"body": text})
    return Posted("created", number)


def _run(event: Path) -> Run:
    try:
        run: dict[str, Any] = json.loads(event.read_text("utf-8"))["workflow_run"]
        if run["event"] != "pull_request":
            raise MldeployError(f"the run was for {run['event']}", remedy="comment on runs for pull_request only")
        return Run(run["head_repository"]["owner"]["login"], run["head_branch"], run["head_sha"], run["html_url"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MldeployError(
            f"{event}: not the event of a workflow_run ({type(error).__name__}: {error})",
            remedy="run this in a workflow that is triggered by workflow_run",
        ) from error


def _body(path: Path, run: Run) -> str:
    if path.is_symlink() or not path.is_file():
        raise MldeployError(f"{path}: no such file", remedy="see why the pull request's run left no comment")
    if path.stat().st_size > _FILE_LIMIT:
        raise MldeployError(f"{path}: larger than {_FILE_LIMIT:,} bytes", remedy="mldeploy plan keeps below 65,536")
    try:
        text = harmless(path.read_text("utf-8")).strip()
    except UnicodeDecodeError as error:
        raise MldeployError(
            f"{path}: not UTF-8 text", remedy="write it with mldeploy plan --output markdown"
        ) from error
    if not text:
        raise MldeployError(f"{path}: empty", remedy="see why the pull request's run wrote no plan")
    foot = f"<sub>Plan of {run.commit[:12]} · [run with the full plan]({run.url})</sub>"
    return limited(text, "*Cut here; the run has the full plan.*") + f"\n\n{foot}"


def _pull_request(api: Api, run: Run) -> int | None:
    """Find the open pull request whose head is the run's own commit; the event lists none for forks."""
    query = {"state": "open", "head": f"{run.owner}:{run.branch}"}
    for pull in api.get_all("pulls", query):
        if pull["head"]["sha"] == run.commit and pull["base"]["repo"]["full_name"] == api.repository:
            return int(pull["number"])
    return None
