"""Runs the rules over a checkout or over single files, and honours ignore comments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mldeploy.errors import MldeployError
from mldeploy.values import ignores, rules
from mldeploy.values.document import Document, ReadError
from mldeploy.values.layered import Layered
from mldeploy.values.layers import Workspace
from mldeploy.values.problem import Problem
from mldeploy.values.reader import read

UNREADABLE = "unreadable"


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

    problems: list[Problem] = field(default_factory=list)
    files: set[Path] = field(default_factory=set)


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
    result = Result()
    subject = _open(workspace, result)
    documents = {layer.path: layer for layered in subject.releases for layer in layered.layers}
    for path in _others(paths, documents, subject):
        try:
            documents[path] = read(path)
        except ReadError as error:
            result.problems.append(_unreadable(error))
            result.files.add(path)
    found = [
        *more,
        *(
            problem.of(rule.ID)
            for rule in rules.FILE
            for document in documents.values()
            for problem in rule.check(document)
        ),
        *(
            problem.of(rule.ID)
            for rule in rules.RELEASE
            for layered in subject.releases
            for problem in rule.check(layered)
        ),
        *(problem.of(rule.ID) for rule in rules.CHECKOUT for problem in rule.check(subject)),
    ]
    result.problems += ignores.apply(found, documents.values())
    result.files |= {*documents, *subject.schemas}
    if paths:
        wanted = [path.resolve() for path in paths]
        result.files = {path for path in result.files if _within(path, wanted)}
        result.problems = [problem for problem in result.problems if _within(problem.position.path, wanted)]
    result.problems = sorted(set(_unique(result.problems)), key=lambda problem: (problem.position, problem.rule))
    return result


def _open(workspace: Workspace, result: Result) -> Subject:
    releases: list[Layered] = []
    unreadable: dict[Path, ReadError] = {}
    for environment in workspace.environments:
        for release in workspace.releases(environment):
            try:
                releases.append(workspace.layered(release))
            except ReadError as error:
                if error.position.path not in {*release.files, release.chart / "values.yaml"}:
                    raise
                unreadable[error.position.path] = error
    result.problems += map(_unreadable, unreadable.values())
    result.files |= unreadable.keys()
    schemas = []
    for chart in dict.fromkeys(layered.release.chart for layered in releases):
        path = chart / "values.schema.json"
        if path.is_file():
            schemas.append(path)
    return Subject(workspace, tuple(releases), tuple(schemas), frozenset(unreadable))


def _others(paths: Sequence[Path], known: dict[Path, Document], subject: Subject) -> Iterator[Path]:
    """Give the YAML files among `paths` that no release reads."""
    for path in paths:
        if not path.exists():
            raise MldeployError(f"{path}: no such file or folder", remedy="check the path")
        found = sorted((*path.rglob("*.yaml"), *path.rglob("*.yml"))) if path.is_dir() else [path]
        for file in (other.resolve() for other in found):
            if file not in known and file not in subject.unreadable and file.suffix in {".yaml", ".yml"}:
                yield file


def _unreadable(error: ReadError) -> Problem:
    return Problem(error.position, error.what, error.remedy, rule=UNREADABLE)


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
