"""Renders both sides and says what differs, environment by environment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from mldeploy.errors import MldeployError
from mldeploy.plan.compare import compare
from mldeploy.plan.demand import demand
from mldeploy.plan.model import Action, EnvironmentPlan, Kind, Plan, ReleaseChange, ordered
from mldeploy.plan.objects import Manifested, manifested
from mldeploy.plan.reasons import Values, reasons
from mldeploy.plan.redact import Redactor
from mldeploy.plan.sides import Side, open_sides
from mldeploy.render import Listing, Rendered, Selector, environments, list_releases, render

Key = tuple[str, str]


def plan(
    root: Path,
    *,
    base: str | None,
    head: str,
    wanted: Sequence[str] = (),
    selector: Selector | None = None,
) -> Plan:
    """Compare two states of the repository.

    Args:
        root: the checkout; it is only read.
        base: a commit, branch or tag; None: where the head left the main branch.
        head: the same, or `sides.WORKTREE`.
        wanted: environments; none: all that either side declares.
        selector: which releases; None: all.

    Returns:
        The plan. What one side cannot render is an error within it, beside all that could be compared.

    Raises:
        MldeployError: no such environment on either side, no such ref, no git repository, or a tool is missing.
    """
    sides = open_sides(root, base, head)
    with ThreadPoolExecutor(max_workers=2) as pool:
        before, after = pool.map(lambda side: _whole(side, wanted, selector or Selector()), sides)
    names = list(dict.fromkeys([*after.environments, *before.environments]))
    if wanted and not names:
        raise MldeployError(after.error or before.error)
    return Plan(sides[0].label, sides[1].label, tuple(_environment(name, before, after) for name in names))


@dataclass(frozen=True)
class Whole:
    """Everything of one side, rendered.

    Attributes:
        environments: those that are planned.
        error: why its environments are not known.
    """

    side: Side
    environments: tuple[str, ...]
    listings: tuple[Listing, ...]
    rendered: tuple[Rendered, ...]
    error: str = ""

    def listing(self, environment: str) -> Listing | None:
        """Give the environment's releases; None where this side does not declare it."""
        return next((each for each in self.listings if each.environment == environment), None)

    def of(self, environment: str) -> dict[Key, Rendered]:
        """Give the environment's renders by namespace and name."""
        return {
            (each.release.namespace, each.release.name): each
            for each in self.rendered
            if each.release.environment == environment
        }

    @cached_property
    def values(self) -> Values:
        """The side's values, with their lines."""
        return Values(self.side.root)


def _whole(side: Side, wanted: Sequence[str], selector: Selector) -> Whole:
    try:
        declared = environments(side.root)
    except MldeployError as error:
        return Whole(side, (), (), (), str(error))
    names = [name for name in declared if not wanted or name in wanted]
    if wanted and not names:
        what = f"{side.label} declares no environment {', '.join(wanted)}; choose from {', '.join(declared)}"
        return Whole(side, (), (), (), what)
    listings = list_releases(side.root, names)
    releases = [each for listing in listings for each in listing.releases if selector.matches(each.labels)]
    rendered = render(side.root, releases, include_crds=True, objects=True)
    return Whole(side, tuple(names), tuple(listings), tuple(rendered))


def _environment(name: str, before: Whole, after: Whole) -> EnvironmentPlan:
    errors = tuple(_errors(name, before, after))
    old, new = before.of(name), after.of(name)
    rendered = [*old.values(), *new.values()]
    objects = {id(each): list(manifested(each.objects, each.release.namespace)) for each in rendered}
    keys = () if errors else tuple(dict.fromkeys([*new, *old]))
    differing = [key for key in keys if not _same(old.get(key), new.get(key))]
    changes: list[ReleaseChange] = []
    if differing:
        compared = _Comparison(before, after, objects, _redactor(objects.values(), before, after, name))
        found = [compared.release(old.get(key), new.get(key)) for key in differing]
        changes = [each for each in found if each is not None]
    return EnvironmentPlan(
        name,
        tuple(changes),
        len(keys) - len(changes),
        demand(each for one in old.values() for each in objects[id(one)]),
        demand(each for one in new.values() for each in objects[id(one)]),
        errors,
    )


def _same(one: Rendered | None, other: Rendered | None) -> bool:
    if one is None or other is None or one.error or other.error:
        return False
    return one.manifest == other.manifest


def _errors(name: str, before: Whole, after: Whole) -> Iterable[str]:
    for which, whole in (("base", before), ("head", after)):
        listing = whole.listing(name)
        error = whole.error or (listing.error if listing is not None else "")
        if error:
            yield f"{which} ({whole.side.label}): {_relative(error, whole)}"


def _relative(text: str, whole: Whole) -> str:
    return text.replace(f"{whole.side.root}/", "")


def _redactor(objects: Iterable[list[Manifested]], before: Whole, after: Whole, name: str) -> Redactor:
    layered = [whole.values.layered(each.release) for whole in (before, after) for each in whole.of(name).values()]
    values = [each.values for each in layered if each is not None]
    return Redactor([each for group in objects for each in group], values)


@dataclass(frozen=True)
class _Comparison:
    """What comparing one environment's releases needs; `objects` are by the identity of the render they are from."""

    before: Whole
    after: Whole
    objects: dict[int, list[Manifested]]
    redactor: Redactor

    def release(self, one: Rendered | None, other: Rendered | None) -> ReleaseChange | None:
        """Compare a release that differs as text; None where it means the same (comments, the order of keys)."""
        each = other or one
        if each is None:
            return None
        release = each.release
        change = ReleaseChange(
            Action.ADDED if one is None else Action.REMOVED if other is None else Action.CHANGED,
            release.environment,
            release.name,
            release.namespace,
            release.service,
            reasons=reasons(
                (self.before.values, one.release) if one is not None else None,
                (self.after.values, other.release) if other is not None else None,
            ),
            error="; ".join(self._failures(one, other)),
        )
        if change.error:
            return change
        changed = compare(self._of(one), self._of(other), self.redactor)
        if not changed and change.action is Action.CHANGED:
            return None
        dropped = [Kind.KEY_DROPPED] if any(reason.dropped for reason in change.reasons) else []
        kinds = ordered([*dropped, *(kind for each in changed for kind in each.kinds)])
        return replace(change, objects=changed, kinds=kinds)

    def _of(self, rendered: Rendered | None) -> list[Manifested]:
        return self.objects[id(rendered)] if rendered is not None else []

    def _failures(self, one: Rendered | None, other: Rendered | None) -> Iterable[str]:
        for which, rendered, whole in (("base", one, self.before), ("head", other, self.after)):
            if rendered is not None and rendered.error:
                yield f"{which} does not render: {self.redactor.text(_relative(rendered.error, whole))}"
