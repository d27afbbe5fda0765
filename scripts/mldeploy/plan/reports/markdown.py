"""A plan as a comment: the summary first, a fold for each release, and always below GitHub's limit."""

from __future__ import annotations

import html
from collections.abc import Iterator

from mldeploy.plan.model import Plan, ReleaseChange
from mldeploy.plan.reports import words
from mldeploy.report.escape import markdown

# GitHub refuses a comment of more than 65,536 characters; a marker and a link still have to fit.
LIMIT = 64_000


def render(plan: Plan) -> str:
    """Write the comment: all of it, or as much as fits, in the order of how much it matters."""
    lines = [f"**{markdown(words.total(plan))}** ({markdown(plan.base)} → {markdown(plan.head)})", ""]
    left = LIMIT - sum(len(line) + 1 for line in lines) - 200
    for part in (_summary(plan), *(_release(release) for release in plan.affected)):
        block, left = _fitting(part, left)
        lines += block
        if left <= 0:
            lines += ["", "The rest does not fit into a comment: see the plan among the run's artefacts."]
            break
    return "\n".join(lines) + "\n"


def _fitting(part: Iterator[str], left: int) -> tuple[list[str], int]:
    """Take a part as a whole; what does not fit is left out as a whole, so that no fold stays open."""
    lines = list(part)
    size = sum(len(line) + 1 for line in lines)
    if size <= left:
        return lines, left - size
    return _cut(lines, left), 0


def _cut(lines: list[str], left: int) -> list[str]:
    # A table may lose rows, a fold may not lose its end.
    if not lines or not lines[0].startswith("|"):
        return []
    kept: list[str] = []
    for line in lines:
        left -= len(line) + 1
        if left < 0:
            break
        kept.append(line)
    return kept


def _summary(plan: Plan) -> Iterator[str]:
    yield "| environment | release | what it means | because of |"
    yield "| --- | --- | --- | --- |"
    for environment in plan.environments:
        name = markdown(environment.name)
        for error in environment.errors:
            yield f"| {name} | | ❌ {_cell(error)} | |"
        for release in environment.releases:
            meaning = f"❌ {release.error}" if release.error else words.labels(release.kinds) or "changes"
            reasons = [words.because(reason) for reason in release.reasons]
            shown = "<br>".join(_cell(reason) for reason in reasons[:3])
            more = f"<br>and {len(reasons) - 3} more" if len(reasons) > 3 else ""
            which = f"{release.action.value} {_cell(words.release_title(release))}"
            yield f"| {name} | {which} | {_cell(meaning)} | {shown}{more} |"
        if not environment.releases and not environment.errors:
            yield f"| {name} | | no change ({environment.unchanged} releases) | |"
        for line in words.demands(environment):
            yield f"| {name} | | {_cell(line)} | |"
    yield ""


def _cell(text: str) -> str:
    return markdown(text[:500])


def _release(release: ReleaseChange) -> Iterator[str]:
    """Write a fold. Inside `pre`, GitHub reads no Markdown; `html.escape` leaves no way out of it."""
    title = f"{release.action.value} {release.environment} / {words.release_title(release)}"
    yield f"<details><summary>{html.escape(title)}</summary>"
    yield ""
    yield '<pre lang="diff">'
    yield from (_pre(line) for line in _lines(release))
    yield "</pre>"
    yield "</details>"
    yield ""


def _pre(line: str) -> str:
    # A reference keeps a mention or an address from becoming one.
    return html.escape(line).replace("@", "&#64;") or "&nbsp;"


def _lines(release: ReleaseChange) -> Iterator[str]:
    if release.error:
        yield f"! {words.one_line(release.error)}"
    for reason in release.reasons:
        yield f"# because of {words.because(reason)}"
    for change in release.objects:
        details = [text for text in (words.labels(change.kinds), words.noise(change)) if text]
        yield f"{change.action.value} {words.title(change)}" + (f"  [{', '.join(details)}]" if details else "")
        for field in change.fields:
            for line in words.field_lines(field):
                yield f"{line[:1]}   {line[1:]}"
