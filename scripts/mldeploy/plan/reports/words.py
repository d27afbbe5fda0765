"""The words that all of a plan's reports share: paths, values, counts, sums; each fit for one line."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from typing import Any

from mldeploy.plan.model import (
    MISSING,
    Action,
    EnvironmentPlan,
    FieldChange,
    Item,
    ObjectChange,
    Path_,
    Plan,
    Reason,
    ReleaseChange,
)
from mldeploy.plan.quantity import cores, size
from mldeploy.report.escape import visible

_PLAIN = re.compile(r"[A-Za-z_][\w-]*")
_CHECKSUM = re.compile(r"[0-9a-f]{40,}")
_LONGEST = 160
_DIGITS = 10
_DIFF_LINES = 20
_CONTEXT_LINES = 1


def one_line(text: str) -> str:
    """Make text from a file harmless on one line of a log: no control characters, no workflow command."""
    return visible(text).replace("##[", "#\\x23[")


def dotted(path: Path_) -> str:
    """Write a path as `spec.containers[api].image`."""
    text = ""
    for step in path:
        if isinstance(step, Item):
            text += f"[{step}]"
        elif _PLAIN.fullmatch(step):
            text += ("." if text else "") + step
        else:
            text += f'["{step}"]' if text else step
    return one_line(text)


def shown(value: Any) -> str:
    """Write a value on one line, cut where it is long."""
    if isinstance(value, str) and _CHECKSUM.fullmatch(value):
        return f"{value[:_DIGITS]}…"
    text = one_line(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text)} characters)"


def field_lines(change: FieldChange) -> list[str]:
    """Write a field's change: one line, or the differing lines of a longer text. The first character is its sign."""
    name = dotted(change.path)
    if change.before is MISSING:
        return [f"+ {name}: {shown(change.after)}"]
    if change.after is MISSING:
        return [f"- {name}: {shown(change.before)}"]
    if _long(change.before) and _long(change.after):
        return [f"~ {name}:", *_text_diff(change.before, change.after)]
    return [f"~ {name}: {shown(change.before)} -> {shown(change.after)}"]


def _long(value: Any) -> bool:
    return isinstance(value, str) and "\n" in value.strip()


def _text_diff(before: str, after: str) -> list[str]:
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=_CONTEXT_LINES))[2:]
    kept = [f"{line[:1]} | {one_line(line[1:])[:_LONGEST]}" for line in lines if not line.startswith("@@")]
    return kept[:_DIFF_LINES] + ([f"  | … {len(kept) - _DIFF_LINES} more lines"] if len(kept) > _DIFF_LINES else [])


def title(change: ObjectChange) -> str:
    """Name an object: `Deployment dev-ml-api`."""
    return one_line(f"{change.kind} {change.name}")


def labels(kinds: Iterable[Any]) -> str:
    """Write what a change means: "restarts pods, changes an image"."""
    return ", ".join(kind.label for kind in kinds)


def because(reason: Reason) -> str:
    """Write a reason: `values/dev/ml-api.yaml:12 image.tag`."""
    where = " (in the base)" if reason.side == "base" else ""
    what = "; set before, no longer set" if reason.dropped else ""
    return one_line(f"{reason.place} {reason.what}{what}{where}")


def counts(environment: EnvironmentPlan) -> str:
    """Write an environment's counts of objects: `+1 ~2 -0`."""
    found = environment.counts
    return f"+{found[Action.ADDED]} ~{found[Action.CHANGED]} -{found[Action.REMOVED]}"


def demands(environment: EnvironmentPlan) -> list[str]:
    """Write how the environment's summed requests change; nothing when they do not."""
    lines = []
    for what, pick in (("requests", "minimum"), ("at maximum replicas", "maximum")):
        before, after = getattr(environment.before, pick).amounts, getattr(environment.after, pick).amounts
        parts = [
            f"{name} {_amount(name, before.get(name, 0.0))} -> {_amount(name, after.get(name, 0.0))}"
            for name in sorted({*before, *after})
            if before.get(name, 0.0) != after.get(name, 0.0)
        ]
        if parts:
            lines.append(one_line(f"{what}: {', '.join(parts)}"))
    return lines


def _amount(name: str, amount: float) -> str:
    if name == "cpu":
        return cores(amount)
    return size(amount) if name in {"memory", "ephemeral-storage"} else f"{amount:g}"


def total(plan: Plan) -> str:
    """Write the plan's last line: how much changes where."""
    changed = [release for release in plan.affected if not release.error]
    failed = sum(len(environment.errors) for environment in plan.environments) + len(plan.affected) - len(changed)
    unchanged = sum(environment.unchanged for environment in plan.environments)
    text = f"{len(changed)} of {len(changed) + unchanged} releases change" if changed else "nothing changes"
    return f"{text}; {failed} could not be compared" if failed else text


def noise(change: ObjectChange) -> str:
    """Say how much of a change is only bookkeeping."""
    return f"{change.noise} label{'s' if change.noise > 1 else ''} of Helm's own" if change.noise else ""


def release_title(release: ReleaseChange) -> str:
    """Name a release with its namespace, where that is not its environment."""
    place = f" in {release.namespace}" if release.namespace != release.environment else ""
    return one_line(f"{release.name}{place}")
