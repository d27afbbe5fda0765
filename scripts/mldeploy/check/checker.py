"""Renders every release and reports what is wrong with its objects, at the values line that causes it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mldeploy.check import crds, openapi
from mldeploy.check.blame import Blamed, Found, blame, identify
from mldeploy.check.conform import conform
from mldeploy.check.judge import judge
from mldeploy.check.problem import Problem
from mldeploy.check.schemas import api_schemas, crd_schemas, stored_schemas
from mldeploy.errors import MldeployError
from mldeploy.plan.objects import Manifested, manifested
from mldeploy.plan.reasons import Values, dotted
from mldeploy.render import Release, Rendered, Selector, environments, list_releases, render
from mldeploy.report.finding import Finding, Report, Severity

POLICIES = Path("policies")
_HELMFILE = Path("deployments") / "base.yaml"


def check(root: Path, *, wanted: Sequence[str] = (), selector: Selector | None = None) -> Report:
    """Check what a checkout renders.

    Args:
        root: the checkout.
        wanted: environments; none: all.
        selector: which releases; None: all.

    Returns:
        A report with a finding for each problem, and for each release that does not render.

    Raises:
        MldeployError: no such environment, a policy that is not valid, or a tool that is not installed.
    """
    began = time.monotonic()
    checks = _Checks(root)
    names = environments(root, wanted)
    listings = list_releases(root, names)
    chosen = [
        each for listing in listings for each in listing.releases if (selector or Selector()).matches(each.labels)
    ]
    rendered = render(root, chosen, include_crds=True, objects=True)
    findings = [
        Finding(_HELMFILE, 1, 1, f"{listing.environment}: {listing.error}", "helmfile")
        for listing in listings
        if listing.error
    ]
    findings += [_broken(root, each) for each in rendered if each.error]
    findings += checks.findings([each for each in rendered if not each.error])
    return Report("mldeploy check", tuple(findings), (len(chosen), "releases"), time.monotonic() - began)


@dataclass(frozen=True)
class _Located:
    release: Release
    each: Manifested
    problem: Problem


class _Checks:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._values = Values(root)
        self._policies = sorted((root / POLICIES).glob("*.yaml"))
        self._stored = stored_schemas(crds.stored(root / crds.FOLDER))

    def findings(self, rendered: Sequence[Rendered]) -> list[Finding]:
        """Check the objects of all releases together, then find the lines to blame, release by release."""
        objects = [(one.release, each) for one in rendered for each in manifested(one.objects, one.release.namespace)]
        own_crds = crd_schemas(each.data for _, each in objects if each.kind == "CustomResourceDefinition")
        # What is rendered is what will be there: it counts before what is stored here.
        self._crds = [own_crds, self._stored]
        located: list[_Located] = []
        for minor in dict.fromkeys(_minor(release) for release, _ in objects):
            own = [(release, each) for release, each in objects if _minor(release) == minor]
            judged = self._judge([each.data for _, each in own], minor)
            located += [
                _Located(release, each, problem)
                for (release, each), problems in zip(own, judged, strict=True)
                for problem in problems
            ]
        return [finding for one in rendered for finding in self._placed(one.release, located)]

    def _judge(self, objects: Sequence[dict[str, Any]], minor: tuple[int, int]) -> list[list[Problem]]:
        judged = judge(objects, self._policies, minor)
        conformed = conform(objects, [api_schemas(minor), *self._crds])
        return [_joined(one, other) for one, other in zip(judged, conformed, strict=True)]

    def _placed(self, release: Release, located: Sequence[_Located]) -> list[Finding]:
        own = [each for each in located if each.release is release]
        wanted = {identify(each.each, each.problem) for each in own}
        lines: dict[Found, Blamed] = {}
        if wanted:
            minor = _minor(release)
            lines = blame(release, self._values, wanted, lambda objects: self._judge(objects, minor))
        return [self._finding(each, lines) for each in own]

    def _finding(self, located: _Located, lines: dict[Found, Blamed]) -> Finding:
        each, problem = located.each, located.problem
        what = f"{located.release.name}: {each.kind} {each.name}: {problem.message}"
        severity: Severity = "warning" if problem.warning else "error"
        blamed = lines.get(identify(each, problem))
        if blamed is None:
            path = _template(self._root, located.release, each)
            return Finding(path, 1, 1, what, problem.rule, problem.remedy, severity)
        (path, line, column), keys = blamed
        message = f"{dotted(keys)}: {what}"
        return Finding(_relative(self._root, path), line, column, message, problem.rule, problem.remedy, severity)


def _minor(release: Release) -> tuple[int, int]:
    """Give the Kubernetes minor that a release is for: what its helmfile names, or the newest that is described here.

    Raises:
        MldeployError: the helmfile names one that is not.
    """
    known = openapi.minors()
    if not release.kube_version:
        return known[-1]
    named = release.kube_version.removeprefix("v").split(".")[:2]
    for minor in known:
        if named == [str(part) for part in minor]:
            return minor
    listed = ", ".join(f"{major}.{minor}" for major, minor in known)
    raise MldeployError(
        f"{release.name}: kubeVersion {release.kube_version} has no schemas here, only {listed}",
        remedy="name one of these, or add its file as scripts/mldeploy/check/openapi/__init__.py says",
    )


def _joined(judged: list[Problem], conformed: list[Problem]) -> list[Problem]:
    # A version that is gone has no schema: that it is gone says it all.
    gone = any(problem.rule == "api-removed" for problem in judged)
    return judged + [problem for problem in conformed if not (gone and problem.rule == "unknown-kind")]


def _broken(root: Path, rendered: Rendered) -> Finding:
    error = " ".join(rendered.error.replace(f"{root}/", "").split())
    path = rendered.release.values_files[-1] if rendered.release.values_files else root / _HELMFILE
    return Finding(_relative(root, path), 1, 1, f"{rendered.release.name} does not render: {error}", "render")


def _template(root: Path, release: Release, each: Manifested) -> Path:
    """Give the template's file; `source` begins with the chart's name instead of its folder."""
    if release.chart_path is None or not each.source:
        return _HELMFILE
    path = release.chart_path / each.source.partition("/")[2]
    return _relative(root, path.resolve() if path.exists() else release.chart_path)


def _relative(root: Path, path: Path) -> Path:
    resolved = path.resolve()
    return resolved.relative_to(root.resolve()) if resolved.is_relative_to(root.resolve()) else path
