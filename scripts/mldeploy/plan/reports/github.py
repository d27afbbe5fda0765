"""A plan for the log of a GitHub Actions step: the tree, and an annotation at each line of values that matters."""

from __future__ import annotations

from collections.abc import Iterator

from mldeploy.plan.model import Plan, ReleaseChange
from mldeploy.plan.reports import text, words
from mldeploy.report.escape import workflow_data, workflow_property

# GitHub shows ten annotations of each severity for a step, and drops the rest without a word.
_SHOWN = 10


def render(plan: Plan) -> str:
    """Write the workflow commands, the gravest first, then the tree."""
    commands = sorted(_commands(plan), key=lambda each: ("error", "warning", "notice").index(each[0]))
    kept: list[str] = []
    for severity, command in commands:
        if sum(line.startswith(f"::{severity} ") for line in kept) < _SHOWN:
            kept.append(command)
    return "".join(f"{line}\n" for line in kept) + text.render(plan)


def _commands(plan: Plan) -> Iterator[tuple[str, str]]:
    for environment in plan.environments:
        for error in environment.errors:
            yield "error", _command("error", error, title=f"plan {environment.name}")
    for release in plan.affected:
        yield from _release(release)


def _release(release: ReleaseChange) -> Iterator[tuple[str, str]]:
    if release.error:
        yield "error", _command("error", release.error, title=release.name)
    placed = [reason for reason in release.reasons if reason.line and reason.side == "head"]
    severity = release.kinds[0].severity if release.kinds else "notice"
    for reason in placed:
        meaning = words.labels(release.kinds) or "changes"
        message = f"{release.name}: {reason.what} {meaning}"
        place = {"file": reason.path.as_posix(), "line": str(reason.line)}
        yield severity, _command(severity, message, title=f"plan {release.environment}", **place)
    if not placed and severity != "notice":
        yield severity, _command(severity, f"{release.name}: {words.labels(release.kinds)}", title=release.environment)


def _command(severity: str, message: str, **properties: str) -> str:
    named = ",".join(f"{key}={workflow_property(value)}" for key, value in properties.items())
    return f"::{severity} {named}::{workflow_data(words.one_line(message))}"
