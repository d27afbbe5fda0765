"""Runs the rules over a checkout or over single files, and honours ignore comments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mldeploy.errors import MldeployError
from mldeploy.values import ignores, rules, share
from mldeploy.values.document import ReadError
from mldeploy.values.layers import Workspace

if TYPE_CHECKING:
    from mldeploy.values.layered import Layered, Release
    from mldeploy.values.problem import Problem


@dataclass(frozen=True)
class Subject:
    """What the rules about the whole checkout look at.

    Attributes:
        workspace: the checkout.
        releases: every release of every environment whose files can be read, by environment and then as declared.
        schemas: the charts' schemas.
        unreadable: values files that Helm refuses.
    """

    workspace: Workspace
    releases: tuple[Layered, ...]
    schemas: tuple[Path, ...]
    unreadable: frozenset[Path]


@dataclass
class Result:
    """What was found, and in which files it was looked for."""

    problems: list[Problem]
    files: set[Path]


def lint(root: Path, paths: Sequence[Path] = (), more: Sequence[Problem] = ()) -> Result:
    """Lint a checkout's values.

    Args:
        root: the checkout.
        paths: only what is found in these files or folders is reported; default: everything. Files that belong to no
            release are checked on their own.
        more: problems that were found elsewhere, such as dead values; ignore comments count for them, too.

    Raises:
        MldeployError: the checkout's helmfiles cannot be understood, or a path does not exist.
    """
    workspace = Workspace(root)
    declared = [release for environment in workspace.environments for release in workspace.releases(environment)]
    others = tuple(_others(paths, declared))
    found = [*more, *share.check(workspace, share.Share(declared, list(others)))]
    subject = _subject(workspace, declared)
    found += (problem.of(rule.ID) for rule in rules.CHECKOUT for problem in rule.check(subject))
    values = {*others, *(path for release in declared for path in share.values_files(release))}
    documents = [workspace.document(path) for path in values - workspace.refused()]
    problems = ignores.apply(found, documents)
    files = {*values, *subject.schemas}
    if paths:
        wanted = [path.resolve() for path in paths]
        files = {path for path in files if _within(path, wanted)}
        problems = [problem for problem in problems if _within(problem.position.path, wanted)]
    return Result(list(_unique(sorted(problems, key=_order))), files)


def _subject(workspace: Workspace, declared: Sequence[Release]) -> Subject:
    releases: list[Layered] = []
    for release in declared:
        try:
            releases.append(workspace.layered(release))
        except ReadError as error:
            if not share.is_own(error, release):
                raise
    charts = dict.fromkeys(layered.release.chart for layered in releases)
    schemas = tuple(path for path in (chart / "values.schema.json" for chart in charts) if path.is_file())
    unreadable = workspace.refused() & {path for release in declared for path in share.values_files(release)}
    return Subject(workspace, tuple(releases), schemas, unreadable)


def _others(paths: Sequence[Path], declared: Sequence[Release]) -> Iterator[Path]:
    """Give the YAML files among `paths` that no release reads."""
    known = {path for release in declared for path in share.values_files(release)}
    for path in paths:
        if not path.exists():
            raise MldeployError(f"{path}: no such file or folder", remedy="check the path")
        found = sorted((*path.rglob("*.yaml"), *path.rglob("*.yml"))) if path.is_dir() else [path]
        for file in (other.resolve() for other in found):
            if file not in known and file.suffix in {".yaml", ".yml"}:
                yield file


def _order(problem: Problem) -> tuple[object, ...]:
    return problem.position, problem.rule, problem.message, problem.remedy, problem.related


def _unique(problems: list[Problem]) -> Iterator[Problem]:
    """Keep one of the problems that several releases share: the same place, rule and words."""
    seen: set[tuple[object, ...]] = set()
    for problem in problems:
        key = (problem.position, problem.rule, problem.message)
        if key not in seen:
            seen.add(key)
            yield problem


def _within(path: Path, wanted: list[Path]) -> bool:
    return any(path == folder or folder in path.parents for folder in wanted)
