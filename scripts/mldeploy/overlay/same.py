"""Whether two lists of objects deploy the same: each object of one, and no other, in whatever order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mldeploy.plan.diff import diff
from mldeploy.plan.model import Action, ObjectChange
from mldeploy.plan.objects import Manifested, pairs
from mldeploy.plan.redact import Redactor
from mldeploy.plan.reports import words


def unequal(expected: Sequence[Manifested], found: Sequence[Manifested]) -> list[str]:
    """Say what differs, a line for each place, without anything secret; nothing where both deploy the same.

    Fields are compared by meaning, as a plan compares them: `1000m` is `1`, and a null is nothing.
    """
    redactor = Redactor([*expected, *found])
    return [line for one, other in sorted(pairs(expected, found), key=_place) for line in _lines(one, other, redactor)]


def _place(pair: tuple[Manifested | None, Manifested | None]) -> tuple[str, str]:
    each = pair[0] or pair[1]
    return (each.kind, each.name) if each is not None else ("", "")


def _lines(one: Manifested | None, other: Manifested | None, redactor: Redactor) -> Iterator[str]:
    each = one or other
    if each is None:
        return
    action = Action.ADDED if one is None else Action.REMOVED if other is None else Action.CHANGED
    title = words.title(ObjectChange(action, each.api_version, each.kind, each.namespace, each.name, each.source))
    if one is None or other is None:
        yield f"{title}: {'is one too many' if one is None else 'is missing'}"
        return
    for change in diff(one.data, other.data):
        for line in words.field_lines(redactor.change(other, change)):
            yield f"{title}: {line}"
