"""Turns problems that the values' rules found into findings that reports show."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mldeploy.report.finding import Finding, Related

if TYPE_CHECKING:
    from mldeploy.values.problem import Problem


def findings(problems: Iterable[Problem], root: Path) -> tuple[Finding, ...]:
    """Make a finding of each problem, its paths relative to the checkout."""
    return tuple(
        Finding(
            path=_shown(problem.position.path, root),
            line=problem.position.line,
            column=problem.position.column,
            message=problem.message,
            rule=problem.rule,
            remedy=problem.remedy,
            severity=problem.severity,
            end_column=problem.end_column,
            related=tuple(
                Related(_shown(place.path, root), place.line, place.column, what) for place, what in problem.related
            ),
        )
        for problem in problems
    )


def _shown(path: Path, root: Path) -> Path:
    return path.relative_to(root) if path.is_relative_to(root) else path
