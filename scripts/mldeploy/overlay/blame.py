"""Which line of the values files makes a field of a rendered object what it is.

Asked by rendering, as a plan does (docs/decisions/0062-blame-by-rendering.md): without each of the keys that the
environment sets, one at a time. The one without which the field is another made it so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mldeploy.overlay.source import Target
from mldeploy.overlay.strategic import Steps
from mldeploy.plan.objects import manifested
from mldeploy.plan.reasons import Values
from mldeploy.render import variants
from mldeploy.values.leaves import leaves, without


def blame(root: Path, target: Target, subject: tuple[str, str], path: Steps) -> str:
    """Name the lines, as `values/staging/ml-api.yaml:7 (resources.limits.memory)`, or the release if no line does."""
    values = Values(root)
    layered = values.layered(target.release)
    if layered is None:
        return target.release.name
    keys = [each for each, _ in leaves(layered.overrides)]
    tried = variants(target.release, [without(layered.overrides, each) for each in keys])
    now = _field(target.objects, target.prefix, subject, path)
    causes = []
    for each, rendered in zip(keys, tried, strict=True):
        objects = list(manifested(rendered.objects, target.release.namespace))
        if rendered.error or _field(objects, target.prefix, subject, path) != now:
            reason = values.reason(layered, each, "head")
            causes += [f"{reason.place} ({reason.what})"] if reason is not None and not rendered.error else []
    return ", ".join(causes) or f"{target.release.name} itself"


def _field(objects: Any, prefix: str, subject: tuple[str, str], path: Steps) -> Any:
    for each in objects:
        if (each.kind, each.name.removeprefix(prefix)) == subject:
            return _at(each.data, path)
    return None


def _at(value: Any, path: Steps) -> Any:
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list):
            key, _, name = step.partition("=")
            value = next((item for item in value if isinstance(item, dict) and str(item.get(key)) == name), None)
    return value
