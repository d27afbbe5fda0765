"""Ignore comments: `# lint-ignore RULE: reason`, at the end of the line or alone on the line above.

A comment without a reason, with an unknown rule, or that ignores nothing, is a problem itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mldeploy.values import rules
from mldeploy.values.document import IGNORE_MARK, Document, Position
from mldeploy.values.nodes import ScalarNode
from mldeploy.values.problem import Problem, did_you_mean

ID = "ignore-comment"

_COMMENT = re.compile(r"(?:^|(?<=\s))#\s*lint-ignore\b(?P<rest>.*)$")
_REST = re.compile(r"\s+(?P<rule>[a-z0-9-]+)\s*(?::\s*(?P<reason>.*))?$")


@dataclass(frozen=True)
class _Ignore:
    position: Position
    rule: str
    reason: str
    line: int


def apply(problems: Iterable[Problem], documents: Iterable[Document]) -> list[Problem]:
    """Leave out what is ignored, and add what is wrong with the comments themselves."""
    ignores = [ignore for document in documents if document.ignores for ignore in _comments(document)]
    if not ignores:
        return list(problems)
    by_place = {(ignore.position.path, ignore.line, ignore.rule): ignore for ignore in ignores if ignore.reason}
    used: set[_Ignore] = set()
    kept: list[Problem] = []
    for problem in problems:
        ignore = by_place.get((problem.position.path, problem.position.line, problem.rule))
        if ignore is None:
            kept.append(problem)
        else:
            used.add(ignore)
    return kept + [problem for ignore in ignores if ignore not in used for problem in _complaint(ignore)]


def _comments(document: Document) -> Iterator[_Ignore]:
    texts = _scalar_lines(document)
    for number, line in enumerate(document.lines, 1):
        match = _COMMENT.search(line) if IGNORE_MARK in line else None
        if match is None or any(first < number <= last for first, last in texts):
            continue
        rest = _REST.match(match["rest"])
        alone = line[: match.start()].strip() == ""
        yield _Ignore(
            Position(document.path, number, match.start() + 1),
            rest["rule"] if rest else "",
            (rest["reason"] or "").strip() if rest else "",
            _next_line(document, number) if alone else number,
        )


def _scalar_lines(document: Document) -> list[tuple[int, int]]:
    """Give the lines that scalars of several lines cover: what looks like a comment there is text."""
    spans = []
    for part in document.parts:
        if part.root is None:
            continue
        for entry in document.walk():
            node = entry.node
            if isinstance(node, ScalarNode) and node.end_mark.line > node.start_mark.line:
                last = part.skipped_lines + node.end_mark.line + (1 if node.end_mark.column else 0)
                spans.append((entry.position.line, last))
    return spans


def _next_line(document: Document, number: int) -> int:
    """Give the line that a comment alone on its line speaks of: the next that is no comment."""
    while number < len(document.lines) and document.lines[number].lstrip().startswith("#"):
        number += 1
    return number + 1


def _complaint(ignore: _Ignore) -> Iterator[Problem]:
    if not ignore.rule:
        yield Problem(ignore.position, "an ignore comment names no rule", "write # lint-ignore RULE: reason").of(ID)
    elif ignore.rule not in rules.DOCUMENTATION:
        near = did_you_mean(ignore.rule, rules.DOCUMENTATION)
        remedy = f"did you mean '{near}'?" if near else "see mldeploy explain --rules"
        yield Problem(ignore.position, f"there is no rule '{ignore.rule}'", remedy).of(ID)
    elif not ignore.reason:
        yield Problem(
            ignore.position, f"{ignore.rule} is ignored without a reason", f"write # lint-ignore {ignore.rule}: reason"
        ).of(ID)
    else:
        yield Problem(ignore.position, f"this comment ignores nothing: no {ignore.rule} here", "remove it").of(ID)
