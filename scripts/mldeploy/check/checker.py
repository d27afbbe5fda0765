"""Renders every release and reports what is wrong with its objects, at the values line that causes it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from mldeploy.check import exceptions
from mldeploy.check.blame import Blamed, Found, blame, identify
from mldeploy.check.judges import Groups, Judged, Judges, each_problem, is_practice
from mldeploy.check.minors import Minor, minors, written
from mldeploy.check.problem import Problem
from mldeploy.plan.objects import Manifested, manifested
from mldeploy.plan.reasons import Values, dotted
from mldeploy.render import Release, Rendered, Selector, environments, list_releases, render
from mldeploy.report.finding import Finding, Report, Severity

_HELMFILE = Path("deployments") / "base.yaml"


def check(root: Path, *, wanted: Sequence[str] = (), selector: Selector | None = None) -> Report:
    """Check what a checkout renders, for each Kubernetes minor that its environments name.

    Args:
        root: the checkout.
        wanted: environments; none: all.
        selector: which releases; None: all.

    Returns:
        A report with a finding for each problem, for each release that does not render, and, where everything was
        checked, for each exception that covers nothing.

    Raises:
        MldeployError: no such environment or minor, a policy or exception that is not valid, or a tool that is not
            installed.
    """
    began = time.monotonic()
    excepted = exceptions.Exceptions(root)
    names = environments(root, wanted)
    listings = list_releases(root, names)
    chosen = [
        each for listing in listings for each in listing.releases if (selector or Selector()).matches(each.labels)
    ]
    subjects = _rendered(root, chosen)
    broken = [
        Finding(_HELMFILE, 1, 1, f"{listing.environment}: {listing.error}", "helmfile")
        for listing in listings
        if listing.error
    ]
    broken += [_broken(root, subject.release, subject.error) for subject in subjects if subject.error]
    found = _Checks(root, [subject for subject in subjects if not subject.error], excepted).findings()
    everything = not wanted and len(chosen) == sum(len(listing.releases) for listing in listings)
    if everything and not broken:
        found += [_unused(line, what) for line, what in excepted.unused()]
    return Report("mldeploy check", (*broken, *found), (len(chosen), "releases"), time.monotonic() - began)


@dataclass(frozen=True)
class _Subject:
    """A release, and its objects as rendered for each minor that it has to be right for, the oldest first."""

    release: Release
    objects: dict[Minor, list[Manifested]]
    error: str = ""


@dataclass(frozen=True)
class _Located:
    """A problem, and the minors that it was found for."""

    each: Manifested
    problem: Problem
    minors: tuple[Minor, ...]


def _rendered(root: Path, chosen: Sequence[Release]) -> list[_Subject]:
    wanted = [(release, minor) for release in chosen for minor in minors(root, release)]
    # Templates may ask which Kubernetes they are for.
    told = [replace(release, kube_version=release.kube_version or f"v{written(minor)}.0") for release, minor in wanted]
    results = iter(render(root, told, include_crds=True, objects=True))
    subjects = []
    for release in chosen:
        own: dict[Minor, Rendered] = {minor: next(results) for minor in minors(root, release)}
        error = next((each.error for each in own.values() if each.error), "")
        objects = {minor: list(manifested(each.objects, release.namespace)) for minor, each in own.items()}
        subjects.append(_Subject(release, objects, error))
    return subjects


class _Checks:
    def __init__(self, root: Path, subjects: Sequence[_Subject], excepted: exceptions.Exceptions) -> None:
        self._root = root
        self._subjects = subjects
        self._excepted = excepted
        self._values = Values(root)
        everything = [each for subject in subjects for objects in subject.objects.values() for each in objects]
        self._judges = Judges(root, everything)

    def findings(self) -> list[Finding]:
        """Judge all releases together, then find the lines to blame, release by release."""
        located = [*self._located()]
        return [
            finding
            for number, subject in enumerate(self._subjects)
            for finding in self._placed(subject, [each for own, each in located if own == number])
        ]

    def _located(self) -> Iterator[tuple[int, _Located]]:
        """Yield each problem once, with the number of its release, whatever minors it was found for."""
        found: dict[tuple[int, Found], _Located] = {}
        by_api: dict[Minor, Judged] = {}
        for minor in sorted({minor for subject in self._subjects for minor in subject.objects}):
            groups = [subject.objects.get(minor, []) for subject in self._subjects]
            by_api[minor] = self._judges.by_api(groups, minor)
            for number, each, problem in each_problem(groups, by_api[minor]):
                key = (number, identify(each, problem))
                known = found.get(key)
                found[key] = _Located(each, problem, (*(known.minors if known else ()), minor))
        newest = {number: max(subject.objects) for number, subject in enumerate(self._subjects)}
        for minor in sorted(set(newest.values())):
            groups = [
                subject.objects[minor] if newest[number] == minor else []
                for number, subject in enumerate(self._subjects)
            ]
            judged = [its if group else [] for group, its in zip(groups, by_api[minor], strict=True)]
            for number, each, problem in each_problem(groups, self._judges.by_practice(groups, judged, minor)):
                every = tuple(self._subjects[number].objects)
                found[number, identify(each, problem)] = _Located(each, problem, every)
        for (number, _), one in found.items():
            if not self._excepted.cover(one.problem.rule, one.each, self._subjects[number].release.environment):
                yield number, one

    def _placed(self, subject: _Subject, located: Sequence[_Located]) -> Iterator[Finding]:
        lines: dict[Found, Blamed] = {}
        for minor in {each.minors[-1] for each in located}:
            wanted = {identify(each.each, each.problem) for each in located if each.minors[-1] == minor}
            release = replace(subject.release, kube_version=subject.release.kube_version or f"v{written(minor)}.0")
            lines |= blame(release, self._values, wanted, partial(self._again, minor, wanted))
        for each in located:
            yield self._finding(subject, each, lines.get(identify(each.each, each.problem)))

    def _again(self, minor: Minor, wanted: Iterable[Found], groups: Groups) -> Judged:
        practice = {rule for *_, rule, _ in wanted if is_practice(rule)}
        judged = self._judges.by_api(groups, minor)
        if not practice:
            return judged
        others = self._judges.by_practice(groups, judged, minor, practice)
        return [
            [[*one, *other] for one, other in zip(group, its, strict=True)]
            for group, its in zip(judged, others, strict=True)
        ]

    def _finding(self, subject: _Subject, located: _Located, blamed: Blamed | None) -> Finding:
        each, problem = located.each, located.problem
        some = "" if len(located.minors) == len(subject.objects) else " on Kubernetes " + _listed(located.minors)
        what = f"{subject.release.name}: {each.kind} {each.name}: {problem.message}{some}"
        severity: Severity = "warning" if problem.warning else "error"
        if blamed is None:
            path = _template(self._root, subject.release, each)
            return Finding(path, 1, 1, what, problem.rule, problem.remedy, severity)
        (path, line, column), keys = blamed
        message = f"{dotted(keys)}: {what}"
        return Finding(_relative(self._root, path), line, column, message, problem.rule, problem.remedy, severity)


def _listed(found: Iterable[Minor]) -> str:
    return ", ".join(map(written, found))


def _unused(line: int, what: str) -> Finding:
    message = f"{what}: this exception covers no problem"
    return Finding(exceptions.FILE, line, 1, message, "unused-exception", "remove what covers nothing", "warning")


def _broken(root: Path, release: Release, message: str) -> Finding:
    error = " ".join(message.replace(f"{root}/", "").split())
    path = release.values_files[-1] if release.values_files else root / _HELMFILE
    return Finding(_relative(root, path), 1, 1, f"{release.name} does not render: {error}", "render")


def _template(root: Path, release: Release, each: Manifested) -> Path:
    """Give the template's file; `source` begins with the chart's name instead of its folder."""
    if release.chart_path is None or not each.source:
        return _HELMFILE
    path = release.chart_path / each.source.partition("/")[2]
    return _relative(root, path.resolve() if path.exists() else release.chart_path)


def _relative(root: Path, path: Path) -> Path:
    resolved = path.resolve()
    return resolved.relative_to(root.resolve()) if resolved.is_relative_to(root.resolve()) else path
