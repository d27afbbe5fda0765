"""Compares one environment of two sides, release by release."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from mldeploy.plan.compare import compare
from mldeploy.plan.demand import demand
from mldeploy.plan.live import Live
from mldeploy.plan.model import Action, EnvironmentPlan, Kind, ObjectChange, Reason, ReleaseChange, ordered
from mldeploy.plan.objects import Manifested, manifested
from mldeploy.plan.reasons import applied_reasons, reasons
from mldeploy.plan.redact import Redactor
from mldeploy.plan.whole import Key, Whole
from mldeploy.render import Rendered

_Drift = dict[Key, list[ObjectChange]]


def compare_environment(name: str, before: Whole, after: Whole, drift_of: Live | None = None) -> EnvironmentPlan:
    """Say what differs in one environment.

    Args:
        name: the environment.
        before: one side.
        after: the other.
        drift_of: the cluster whose objects are compared with what `before` has stored; None: they are not.
    """
    errors = [*_errors(name, before, after)]
    old, new = before.of(name), after.of(name)
    objects = {
        id(each): list(manifested(each.objects, each.release.namespace)) for each in (*old.values(), *new.values())
    }
    keys = () if errors else tuple(dict.fromkeys([*new, *old]))
    differing = [key for key in keys if not _same(old.get(key), new.get(key))]
    changes: dict[Key, ReleaseChange] = {}
    if differing or drift_of is not None:
        redactor = _redactor(objects.values(), before, after, name)
        compared = _Comparison(before, after, objects, redactor)
        drift: _Drift = {}
        if drift_of is not None:
            drift, refused = _drift(drift_of, {key: objects[id(old[key])] for key in old if key in new}, redactor)
            errors += (
                [f"the API server refuses to apply what is deployed again: {redactor.text(refused)}"] if refused else []
            )
        for key in dict.fromkeys([*differing, *drift]):
            change = compared.release(old.get(key), new.get(key), drift.get(key, []))
            if change is not None:
                changes[key] = change
    return EnvironmentPlan(
        name,
        tuple(changes.values()),
        len(keys) - len(changes),
        demand(each for one in old.values() for each in objects[id(one)]),
        demand(each for one in new.values() for each in objects[id(one)]),
        tuple(errors),
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
    values = [*(each.values for each in layered if each is not None), *(before.configs or {}).values()]
    return Redactor([each for group in objects for each in group], values)


def _drift(live: Live, deployed: dict[Key, list[Manifested]], redactor: Redactor) -> tuple[_Drift, str]:
    owners = {(each.kind, each.namespace, each.name): key for key, group in deployed.items() for each in group}
    changes, refused = live.drift([each for group in deployed.values() for each in group], redactor)
    found: _Drift = {}
    for change in changes:
        found.setdefault(owners[change.kind, change.namespace, change.name], []).append(change)
    return found, refused


@dataclass(frozen=True)
class _Comparison:
    """What comparing one environment's releases needs; `objects` are by the identity of the render they are from."""

    before: Whole
    after: Whole
    objects: dict[int, list[Manifested]]
    redactor: Redactor

    def release(self, one: Rendered | None, other: Rendered | None, drift: list[ObjectChange]) -> ReleaseChange | None:
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
            error="; ".join(self._failures(one, other)),
        )
        changed = () if change.error else compare(self._of(one), self._of(other), self.redactor)
        if not changed and not drift and not change.error and change.action is Action.CHANGED:
            return None
        why = self._reasons(one, other) if changed or change.error else ()
        dropped = [Kind.KEY_DROPPED] if any(reason.dropped for reason in why) and not change.error else []
        found = (*changed, *drift)
        kinds = ordered([*dropped, *(kind for each_object in found for kind in each_object.kinds)])
        return replace(change, objects=found, reasons=why, kinds=kinds)

    def _reasons(self, one: Rendered | None, other: Rendered | None) -> tuple[Reason, ...]:
        after = (self.after.values, other.release) if other is not None else None
        if self.before.configs is not None and one is not None and after is not None:
            return applied_reasons(self.before.configs[one.release.namespace, one.release.name], after)
        return reasons((self.before.values, one.release) if one is not None else None, after)

    def _of(self, rendered: Rendered | None) -> list[Manifested]:
        return self.objects[id(rendered)] if rendered is not None else []

    def _failures(self, one: Rendered | None, other: Rendered | None) -> Iterable[str]:
        for which, rendered, whole in (("base", one, self.before), ("head", other, self.after)):
            if rendered is not None and rendered.error:
                yield f"{which} does not render: {self.redactor.text(_relative(rendered.error, whole))}"
