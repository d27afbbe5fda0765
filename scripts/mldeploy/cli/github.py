"""`mldeploy github`: the steps of the workflows in .github/ that talk to GitHub, or read a plan for it.

argparse and the standard library alone: `comment` runs where nothing is installed.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mldeploy.errors import ExitCode, MldeployError
from mldeploy.github import Api, affected_selectors, last_successful_commit, post_comment

_EPILOG = """examples:
  mldeploy github comment plan-comment/plan.md            in a workflow_run workflow
  mldeploy github deployed prod >> "$GITHUB_OUTPUT"       commit=<of the last successful deployment>
  mldeploy github affected prod plan.json                 affected=true, selectors=--selector service=ml-api
"""


def main(argv: Sequence[str]) -> int:
    """Run one of the sub-commands."""
    parser = argparse.ArgumentParser(
        prog="mldeploy github",
        description="Steps of the workflows in .github/ (docs/ci.md).",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    comment = verbs.add_parser("comment", help="post or replace the plan's one comment on the event's pull request")
    comment.add_argument("body", type=Path, help="Markdown file; it may come from a fork")
    deployed = verbs.add_parser("deployed", help="print commit=<last successful deployment's>, empty before the first")
    deployed.add_argument("environment")
    affected = verbs.add_parser("affected", help="print what a plan affects, as outputs of a step")
    affected.add_argument("environment")
    affected.add_argument("plan", type=Path, help="JSON of mldeploy plan")
    options = parser.parse_args(argv)
    if options.verb == "comment":
        return _comment(options.body)
    if options.verb == "deployed":
        commit = last_successful_commit(Api.from_environment(), options.environment)
        sys.stdout.write(f"commit={commit or ''}\n")
        return ExitCode.CLEAN
    selectors = affected_selectors(options.plan, options.environment)
    words = " ".join(f"--selector {selector}" for selector in selectors)
    sys.stdout.write(f"affected={'true' if selectors else 'false'}\nselectors={words}\n")
    return ExitCode.CLEAN


def _comment(body: Path) -> int:
    event = os.environ.get("GITHUB_EVENT_PATH", "")
    if not event:
        raise MldeployError("GITHUB_EVENT_PATH not set", remedy="run this inside GitHub Actions")
    posted = post_comment(Api.from_environment(), Path(event), body)
    where = f"pull request {posted.number}" if posted.number else "no open pull request has this run's commit"
    sys.stderr.write(f"{posted.what}: {where}\n")
    return ExitCode.CLEAN
