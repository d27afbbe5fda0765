"""Applies the fixes of problems by splicing text at their marks: comments, quotes, anchors and order stay.

A fix is kept only if the files can still be read and it made no new problem; otherwise the file is left as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mldeploy.errors import MldeployError
from mldeploy.values.lint import Result, lint
from mldeploy.values.problem import Edit, Problem

_MAX_ROUNDS = 10


def fix(root: Path, paths: Sequence[Path], result: Result) -> Result:
    """Fix what needs no judgement, until nothing more can be fixed.

    Args:
        root: the checkout.
        paths: as for `lint`; nothing else is changed.
        result: what `lint` found.

    Returns:
        What `lint` finds afterwards.

    Raises:
        MldeployError: a file cannot be written.
    """
    given_up: set[Path] = set()
    for _ in range(_MAX_ROUNDS):
        by_file: dict[Path, list[Edit]] = {}
        for problem in result.problems:
            for edit in problem.fix:
                if edit.path not in given_up and _allowed(edit.path, paths):
                    by_file.setdefault(edit.path, []).append(edit)
        if not by_file:
            break
        before = {path: _read(path) for path in by_file}
        for path, edits in by_file.items():
            _write(path, spliced(before[path], edits))
        after = lint(root, paths)
        worse = _new(result.problems, after.problems)
        if not worse:
            result = after
            continue
        for path in worse & by_file.keys() or by_file.keys():
            _write(path, before[path])
            given_up.add(path)
        result = lint(root, paths)
    return result


def spliced(text: str, edits: Sequence[Edit]) -> str:
    """Apply edits to a text; of two that overlap, only the first in the text."""
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)

    def offset(line: int, column: int) -> int:
        return min(starts[min(line - 1, len(starts) - 1)] + column - 1, len(text))

    spans = sorted({(offset(e.line, e.column), offset(e.end_line, e.end_column), e.text) for e in edits})
    out, at = "", 0
    for start, end, replacement in spans:
        if start >= at:
            out += text[at:start] + replacement
            at = end
    return out + text[at:]


def _new(before: Sequence[Problem], after: Sequence[Problem]) -> set[Path]:
    """Give the files with problems that were not there before, wherever they stood."""
    known = {(problem.position.path, problem.rule, problem.message) for problem in before}
    return {
        problem.position.path
        for problem in after
        if (problem.position.path, problem.rule, problem.message) not in known
    }


def _allowed(path: Path, paths: Sequence[Path]) -> bool:
    wanted = [one.resolve() for one in paths]
    return not wanted or any(path == one or one in path.parents for one in wanted)


def _read(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as file:
        return file.read()


def _write(path: Path, text: str) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
    except OSError as error:
        raise MldeployError(f"{path}: {error.strerror}", remedy="make the file writable") from error
