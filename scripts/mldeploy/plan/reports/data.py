"""A plan as JSON, for programs; `releases` is what a workflow takes its matrix from."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from mldeploy.plan.model import (
    MISSING,
    Action,
    Demand,
    FieldChange,
    Item,
    Kind,
    ObjectChange,
    Path_,
    Plan,
    ReleaseChange,
)
from mldeploy.plan.reports import words

_ACTIONS = {Action.ADDED: "added", Action.REMOVED: "removed", Action.CHANGED: "changed"}


def render(plan: Plan) -> str:
    """Write the plan as one JSON document."""
    content = {
        "base": plan.base,
        "head": plan.head,
        "complete": not plan.failed,
        "summary": words.total(plan),
        "environments": [
            {
                "name": environment.name,
                "unchanged": environment.unchanged,
                "objects": {_ACTIONS[action]: count for action, count in environment.counts.items()},
                "requests": {"before": _demand(environment.before), "after": _demand(environment.after)},
                "errors": list(environment.errors),
            }
            for environment in plan.environments
        ],
        "releases": [_release(release) for release in plan.affected],
    }
    return json.dumps(content, indent=2) + "\n"


def _demand(demand: Demand) -> dict[str, Any]:
    return {"minimum": demand.minimum.amounts, "maximum": demand.maximum.amounts}


def _release(release: ReleaseChange) -> dict[str, Any]:
    return {
        "environment": release.environment,
        "name": release.name,
        "namespace": release.namespace,
        "service": release.service,
        "action": _ACTIONS[release.action],
        # What an apply has to do with: a release that is gone cannot be selected, and is never removed unasked.
        "affected": release.action is not Action.REMOVED,
        "classes": _kinds(release.kinds),
        "error": release.error or None,
        "reasons": [
            {
                "path": reason.path.as_posix(),
                "line": reason.line or None,
                "what": reason.what,
                "side": reason.side,
                "dropped": reason.dropped,
            }
            for reason in release.reasons
        ],
        "objects": [_object(change) for change in release.objects],
    }


def _object(change: ObjectChange) -> dict[str, Any]:
    return {
        "action": _ACTIONS[change.action],
        "apiVersion": change.api_version,
        "kind": change.kind,
        "namespace": change.namespace or None,
        "name": change.name,
        "template": change.source or None,
        "hook": change.hook,
        "classes": _kinds(change.kinds),
        "noise": change.noise,
        "fields": [_field(field) for field in change.fields],
    }


def _field(field: FieldChange) -> dict[str, Any]:
    sides = {name: value for name, value in (("before", field.before), ("after", field.after)) if value is not MISSING}
    return {"path": _path(field.path), **sides, "classes": _kinds(field.kinds)}


def _path(path: Path_) -> list[Any]:
    return [{"item": str(step)} if isinstance(step, Item) else step for step in path]


def _kinds(kinds: Iterable[Kind]) -> list[str]:
    return [kind.value for kind in kinds]
