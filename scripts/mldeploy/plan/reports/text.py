"""A plan as a tree for terminals and logs, with colours where somebody looks at it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from mldeploy.plan.model import EnvironmentPlan, ObjectChange, Plan, ReleaseChange
from mldeploy.plan.reports import words

_COLOURS = {"+": "32", "-": "31", "~": "33", "!": "31;1"}


def render(plan: Plan) -> str:
    """Write the plan, in colours on a terminal."""
    return "".join(f"{_coloured(line)}\n" for line in plain(plan).splitlines())


def plain(plan: Plan) -> str:
    """Write the plan; each line of it begins with spaces and a sign, or is a heading."""
    lines = [f"{words.one_line(plan.base)} -> {words.one_line(plan.head)}", ""]
    for environment in plan.environments:
        lines += [*_environment(environment), ""]
    lines.append(words.total(plan))
    return "\n".join(lines) + "\n"


def _environment(environment: EnvironmentPlan) -> Iterator[str]:
    if not environment.releases and not environment.errors:
        yield f"{words.one_line(environment.name)}  no change ({environment.unchanged} releases)"
        return
    name = words.one_line(environment.name)
    yield f"{name}  {words.counts(environment)} objects, {environment.unchanged} releases unchanged"
    for error in environment.errors:
        yield f"  ! {words.one_line(error)}"
    for line in words.demands(environment):
        yield f"    {line}"
    for release in environment.releases:
        yield from _release(release)


def _release(release: ReleaseChange) -> Iterator[str]:
    meaning = f"  [{words.labels(release.kinds)}]" if release.kinds else ""
    yield f"  {'!' if release.error else release.action.value} {words.release_title(release)}{meaning}"
    if release.error:
        yield f"    ! {words.one_line(release.error)}"
    for reason in release.reasons:
        yield f"      because of {words.because(reason)}"
    for change in release.objects:
        yield from _object(change)


def _object(change: ObjectChange) -> Iterator[str]:
    details = [text for text in (words.labels(change.kinds), words.noise(change)) if text]
    yield f"    {change.action.value} {words.title(change)}" + (f"  [{', '.join(details)}]" if details else "")
    for field in change.fields:
        for line in words.field_lines(field):
            yield f"        {line}"


def _coloured(line: str) -> str:
    sign = line.lstrip()[:1]
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR") or sign not in _COLOURS or not line.startswith(" "):
        return line
    return f"\x1b[{_COLOURS[sign]}m{line}\x1b[0m"
