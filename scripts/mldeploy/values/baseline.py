"""A baseline: the findings that were there when a check was introduced, which do not count."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mldeploy.errors import MldeployError

if TYPE_CHECKING:
    from mldeploy.values.problem import Problem


def write(path: Path, problems: Iterable[Problem], root: Path) -> None:
    """List problems in a file, without their lines, so that edits elsewhere in a file do not bring them back.

    Raises:
        MldeployError: the file cannot be written.
    """
    counted = Counter(_name(problem, root) for problem in problems)
    rows = [
        {"path": path, "rule": rule, "message": text, "count": n} for (path, rule, text), n in sorted(counted.items())
    ]
    try:
        path.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise MldeployError(f"{path}: {error.strerror}", remedy="name a file that can be written") from error


def new_ones(path: Path, problems: Iterable[Problem], root: Path) -> list[Problem]:
    """Leave out the problems that a baseline lists, each as often as it lists them.

    Raises:
        MldeployError: the baseline cannot be read.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        known = Counter({(row["path"], row["rule"], row["message"]): int(row["count"]) for row in rows})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise MldeployError(
            f"{path}: not a baseline ({type(error).__name__})", remedy="write one with mldeploy lint --write-baseline"
        ) from error
    new = []
    for problem in problems:
        name = _name(problem, root)
        if known[name] > 0:
            known[name] -= 1
        else:
            new.append(problem)
    return new


def _name(problem: Problem, root: Path) -> tuple[str, str, str]:
    path = problem.position.path
    shown = path.relative_to(root) if path.is_relative_to(root) else path
    return shown.as_posix(), problem.rule, problem.message
