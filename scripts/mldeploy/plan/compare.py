"""Compares two renders of one release."""

from __future__ import annotations

from collections.abc import Sequence

from mldeploy.plan import classify
from mldeploy.plan.diff import diff
from mldeploy.plan.model import Action, FieldChange, ObjectChange, ordered
from mldeploy.plan.objects import Manifested, pairs
from mldeploy.plan.redact import Redactor

_ORDER = {Action.REMOVED: 0, Action.CHANGED: 1, Action.ADDED: 2}


def compare(before: Sequence[Manifested], after: Sequence[Manifested], redactor: Redactor) -> tuple[ObjectChange, ...]:
    """Give every object that differs, without anything secret: removed, changed, added, each by kind and name."""
    changes = [change for one, other in pairs(before, after) if (change := _object(one, other, redactor)) is not None]
    return tuple(sorted(changes, key=lambda each: (_ORDER[each.action], each.kind, each.namespace, each.name)))


def _object(before: Manifested | None, after: Manifested | None, redactor: Redactor) -> ObjectChange | None:
    each = after or before
    if each is None:
        return None
    fields: tuple[FieldChange, ...] = ()
    noise = 0
    action = Action.ADDED if before is None else Action.REMOVED if after is None else Action.CHANGED
    if before is not None and after is not None:
        found = list(diff(before.data, after.data))
        if not found:
            return None
        told = [change for change in found if not classify.is_noise(change)]
        noise = len(found) - len(told)
        fields = tuple(
            redactor.change(each, FieldChange(one.path, one.before, one.after, classify.classify(each, one)))
            for one in told
        )
    kinds = ordered(
        kind for group in (classify.classify_whole(before, after), *(one.kinds for one in fields)) for kind in group
    )
    return ObjectChange(
        action, each.api_version, each.kind, each.namespace, each.name, each.source, fields, kinds, noise, each.hook
    )
