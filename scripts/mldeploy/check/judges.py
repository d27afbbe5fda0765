"""All that judges objects, at once: schemas, policies, Pod Security, API life cycles, kube-score and checkov."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from mldeploy.check import checkov, crds, kube_score
from mldeploy.check.conform import conform
from mldeploy.check.judge import judge
from mldeploy.check.minors import Minor, written
from mldeploy.check.problem import Problem
from mldeploy.check.schemas import api_schemas, crd_schemas, stored_schemas
from mldeploy.plan.objects import Manifested

POLICIES = Path("policies")
Groups = Sequence[Sequence[Manifested]]
Judged = list[list[list[Problem]]]


class Judges:
    """The judges of a checkout.

    Args:
        root: the checkout, with its policies and CRDs.
        rendered: everything that is rendered; CRDs among it declare kinds.
    """

    def __init__(self, root: Path, rendered: Iterable[Manifested]) -> None:
        self._policies = sorted((root / POLICIES).glob("*.yaml"))
        own = crd_schemas(each.data for each in rendered if each.kind == "CustomResourceDefinition")
        # What is rendered is what will be there: it counts before what is stored here.
        self._crds = [own, stored_schemas(crds.stored(root / crds.FOLDER))]

    def by_api(self, groups: Groups, minor: Minor) -> Judged:
        """Judge objects by what the API server of a minor says of them.

        Args:
            groups: the objects of each release.
            minor: one of `openapi.minors()`.

        Returns:
            The problems of each object of each group, in their order.

        Raises:
            MldeployError: a policy or a CRD is not valid, or a tool is not installed.
        """
        flat = [each.data for group in groups for each in group]
        judged = judge(flat, self._policies, minor)
        conformed = conform(flat, [api_schemas(minor), *self._crds])
        problems = iter([_joined(one, other) for one, other in zip(judged, conformed, strict=True)])
        return [list(islice(problems, len(group))) for group in groups]

    def by_practice(self, groups: Groups, by_api: Judged, minor: Minor, only: Collection[str] = ()) -> Judged:
        """Judge releases by what others hold to be good practice, which differs little from minor to minor.

        Args:
            groups: the objects of each release.
            by_api: what `by_api` said of them; what no API server would take is not judged further.
            minor: the newest that they are for.
            only: rules that are of interest; none: all.

        Raises:
            MldeployError: a tool is not installed, or failed itself.
        """
        scores = [rule for rule in only if rule.startswith(kube_score.PREFIX)]
        checks = [rule for rule in only if rule.startswith(checkov.PREFIX)]
        taken = [
            [each for each, problems in zip(group, its, strict=True) if not any(map(_is_malformed, problems))]
            for group, its in zip(groups, by_api, strict=True)
        ]
        none: Judged = [[[] for _ in group] for group in taken]
        with ThreadPoolExecutor(max_workers=2) as pool:
            # The longer one first.
            second = pool.submit(checkov.checked, taken, checks) if checks or not only else None
            first = kube_score.scored(taken, written(minor), scores) if scores or not only else none
            others = second.result() if second else none
        found = {
            id(each): [*one, *other]
            for group, ones, its in zip(taken, first, others, strict=True)
            for each, one, other in zip(group, ones, its, strict=True)
        }
        return [[found.get(id(each), []) for each in group] for group in groups]


def is_practice(rule: str) -> bool:
    """Say whether a rule is one of `Judges.by_practice`."""
    return rule.startswith((kube_score.PREFIX, checkov.PREFIX))


def _is_malformed(problem: Problem) -> bool:
    return problem.rule in ("schema", "api-removed")


def _joined(judged: list[Problem], conformed: list[Problem]) -> list[Problem]:
    # A version that is gone has no schema: that it is gone says it all.
    gone = any(problem.rule == "api-removed" for problem in judged)
    return judged + [problem for problem in conformed if not (gone and problem.rule == "unknown-kind")]


def each_problem(groups: Groups, judged: Judged) -> Iterator[tuple[int, Manifested, Problem]]:
    """Yield each problem with the number of its group and its object."""
    for number, (group, its) in enumerate(zip(groups, judged, strict=True)):
        for each, problems in zip(group, its, strict=True):
            yield from ((number, each, problem) for problem in problems)
