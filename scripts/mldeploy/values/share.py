"""The rules about single files and releases, over a share of a checkout; large checkouts are shared by all cores.

A fork checks a share and gives back what it found and the plain values that it read, which is what the rules about the
whole checkout need; a file's nodes are read again only where one of those rules has something to point at.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from mldeploy.errors import MldeployError
from mldeploy.values import rules
from mldeploy.values.document import Deferred, Document, ReadError
from mldeploy.values.layered import Layered, Release
from mldeploy.values.layers import Workspace
from mldeploy.values.problem import Problem

UNREADABLE = "unreadable"

_SMALLEST = 200_000  # bytes; reading less takes less time than a fork
_MOST = 16


@dataclass
class Share:
    """Releases, and files that no release reads, to be checked by one process."""

    releases: list[Release] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)


@dataclass(frozen=True)
class _Answer:
    """What a fork gives back; None for `problems`: an error stopped it, which the parent will meet again."""

    problems: list[Problem] | None
    read: list[Document]
    refused: list[ReadError]


def check(workspace: Workspace, whole: Share) -> list[Problem]:
    """Check files and releases, in as many processes as pay; the workspace knows every document afterwards.

    Returns:
        The problems, in no particular order; a file that two shares read may give the same one twice.

    Raises:
        MldeployError: the checkout cannot be understood, or a process was killed.
    """
    shares = _divided(whole, len(os.sched_getaffinity(0)))
    if len(shares) > 1:
        problems = _check_together(workspace, shares)
        if problems is not None:
            return problems
    return _check(workspace, whole)


def values_files(release: Release) -> tuple[Path, ...]:
    """Give the files that make up a release's values, the chart's first."""
    return release.chart / "values.yaml", *release.files


def is_own(error: ReadError, release: Release) -> bool:
    """Tell whether an error is in one of a release's own values files, rather than in what declares it."""
    return error.position.path in values_files(release)


def _check_together(workspace: Workspace, shares: Sequence[Share]) -> list[Problem] | None:
    """Check shares, the first here, the others in forks; None: an error stopped one."""
    from mldeploy.forked import Fork

    known = workspace.known()
    with ExitStack() as stack:
        forks = [
            stack.enter_context(Fork(lambda share=share: _answer(workspace, share, known)))  # type: ignore[misc]
            for share in shares[1:]
        ]
        try:
            problems = _check(workspace, shares[0])
        except MldeployError:
            # Which error is met first depends on the shares: one process, which reads in order, shall say it.
            return None
        for fork in forks:
            answer = fork.result()
            workspace.learn(answer.read, answer.refused)
            if answer.problems is None:
                return None
            problems += answer.problems
    return problems


def _answer(workspace: Workspace, share: Share, known: frozenset[Path]) -> _Answer:
    try:
        problems = _check(workspace, share)
    except MldeployError:
        return _Answer(None, [], [])
    read, refused = workspace.learned(known)
    return _Answer(problems, [Deferred(document.path, document.values, document.ignores) for document in read], refused)


def _check(workspace: Workspace, share: Share) -> list[Problem]:
    problems: list[Problem] = []
    documents: dict[Path, Document] = {}
    releases: list[Layered] = []

    def alone(paths: Iterable[Path]) -> None:
        for path in paths:
            try:
                documents[path] = workspace.document(path)
            except ReadError as error:
                problems.append(Problem(error.position, error.what, error.remedy, rule=UNREADABLE))

    for release in share.releases:
        try:
            layered = workspace.layered(release)
        except ReadError as error:
            if not is_own(error, release):
                raise
            alone(values_files(release))
        else:
            releases.append(layered)
            documents.update((layer.path, layer) for layer in layered.layers)
    alone(share.files)
    problems += (
        problem.of(rule.ID)
        for rule in rules.FILE
        for document in documents.values()
        for problem in rule.check(document)
    )
    problems += (
        problem.of(rule.ID) for rule in rules.RELEASE for layered in releases for problem in rule.check(layered)
    )
    return problems


def _divided(whole: Share, processes: int) -> list[Share]:
    """Cut into shares of about the same number of bytes to read, releases of one chart together."""
    items: list[tuple[Release | Path, int]] = []
    seen: set[Path] = set()
    everything: list[Release | Path] = [*sorted(whole.releases, key=lambda release: release.chart), *whole.files]
    for item in everything:
        paths = (item,) if isinstance(item, Path) else values_files(item)
        items.append((item, sum(_size(path) for path in paths if path not in seen)))
        seen.update(paths)
    total = sum(size for _, size in items)
    count = max(min(processes, total // _SMALLEST, _MOST), 1)
    shares = [Share() for _ in range(count)]
    before = 0
    for item, size in items:
        share = shares[min((before + size // 2) * count // max(total, 1), count - 1)]
        share.files.append(item) if isinstance(item, Path) else share.releases.append(item)
        before += size
    return shares


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # it is told where it is read
