"""Whether a change of roles or bindings lets anybody do more than before."""

from __future__ import annotations

from itertools import product
from typing import Any

from mldeploy.plan.objects import Manifested

_ALL = "*"
Grant = tuple[str, str, str, str]


def widened(before: Manifested | None, after: Manifested | None) -> bool:
    """Say whether `after` grants what `before` did not: by a role's rules, or a binding's subjects and role."""
    if after is None:
        return False
    if after.kind in {"Role", "ClusterRole"}:
        old = _grants(before.data) if before else set()
        if before is not None and not _aggregates(before.data) and _aggregates(after.data):
            return True
        return any(not _covered(grant, old) for grant in _grants(after.data))
    if after.kind in {"RoleBinding", "ClusterRoleBinding"}:
        old_subjects = _subjects(before.data) if before else set()
        moved = before is not None and before.data.get("roleRef") != after.data.get("roleRef")
        return moved or not _subjects(after.data) <= old_subjects
    return False


def _aggregates(data: dict[str, Any]) -> bool:
    return bool(data.get("aggregationRule"))


def _grants(data: dict[str, Any]) -> set[Grant]:
    found: set[Grant] = set()
    for rule in data.get("rules") or []:
        if not isinstance(rule, dict):
            continue
        verbs = _texts(rule.get("verbs"))
        names = _texts(rule.get("resourceNames")) or [""]
        found |= set(product(_texts(rule.get("apiGroups")), _texts(rule.get("resources")), names, verbs))
        found |= set(product(["url"], _texts(rule.get("nonResourceURLs")), [""], verbs))
    return found


def _texts(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []


def _covered(grant: Grant, by: set[Grant]) -> bool:
    return any(
        all(_covers(have, want, index) for index, (have, want) in enumerate(zip(each, grant, strict=True)))
        for each in by
    )


def _covers(have: str, want: str, index: int) -> bool:
    if have == want:
        return True
    if index == 2:
        return have == ""  # no resourceNames: every object
    if index == 1 and have.endswith("/*") and have != "/*":
        return want.startswith(have[:-1])
    return have == _ALL


def _subjects(data: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {
        (str(each.get("kind")), str(each.get("namespace", "")), str(each.get("name")))
        for each in data.get("subjects") or []
        if isinstance(each, dict)
    }
