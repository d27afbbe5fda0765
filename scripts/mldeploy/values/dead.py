"""Finds values that no render reads: each is changed, everything is rendered again, and nothing is different.

A key may matter only where its feature is on, so it is tried in every environment and with every values file in the
chart's `ci/` folder, which between them turn every feature on; it is dead when it changes nothing in any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mldeploy.errors import MldeployError
from mldeploy.values.coalesce import coalesce
from mldeploy.values.document import Keys, Value
from mldeploy.values.layered import Layered, Release
from mldeploy.values.layers import Workspace
from mldeploy.values.leaves import leaves
from mldeploy.values.problem import Problem, at_key, did_you_mean, dotted

ID = "dead-value"

Renderer = Callable[[Release, Sequence[dict[str, Value]]], list[str]]
"""Renders a release once for each set of values above the chart's defaults: the manifest, or the error."""


def dead_values(workspace: Workspace, render: Renderer) -> list[Problem]:
    """Find the dead values of every chart and of every file above it.

    Args:
        workspace: the checkout.
        render: how to render; schema validation must be off, since changed values need not be valid.

    Raises:
        MldeployError: an environment does not render as it is.
    """
    by_chart: dict[Path, list[Layered]] = {}
    for environment in workspace.environments:
        for release in workspace.releases(environment):
            by_chart.setdefault(release.chart, []).append(workspace.layered(release))
    return [problem for group in by_chart.values() for problem in _of_chart(workspace, group, render)]


def _of_chart(workspace: Workspace, group: list[Layered], render: Renderer) -> Iterator[Problem]:
    first = group[0]
    subcharts = {subchart.name for subchart in first.defaults.subcharts}
    fixtures = [workspace.document(path).values for path in sorted((first.release.chart / "ci").glob("*-values.yaml"))]
    scenarios = [(layered.release, layered.overrides) for layered in group]
    scenarios += [(first.release, values) for values in fixtures]
    alive: set[Keys] = set()
    seen: dict[Keys, None] = {}
    for release, overrides in scenarios:
        found = dict(leaves(coalesce(first.defaults, overrides).values))
        tried = [keys for keys in found if keys not in alive and keys[0] not in subcharts]
        seen.update(dict.fromkeys(tried))
        changed = [_with(overrides, keys, _changed(found[keys])) for keys in tried]
        base, *others = render(release, [overrides, *changed])
        if not base.startswith("---"):
            raise MldeployError(f"{release.name} does not render: {base}", remedy="correct that first")
        alive.update(keys for keys, text in zip(tried, others, strict=True) if text != base)
    known = [dotted(keys) for keys in alive]
    # An empty mapping is read where something in it is.
    read = {keys[:length] for keys in alive for length in range(1, len(keys) + 1)}
    for keys in seen:
        if keys not in read:
            yield from _report(group, keys, known)


def _report(group: list[Layered], keys: Keys, known: list[str]) -> Iterator[Problem]:
    name = dotted(keys)
    entry = group[0].layers[0].find(keys)
    if entry is not None:
        yield at_key(entry, f"no template reads '{name}'", "remove it from the chart, or use it").of(ID)
        return
    for layered in group:
        origin = layered.origin(keys)
        if origin is not None:
            near = did_you_mean(name, known)
            remedy = f"did you mean '{near}'?" if near else "remove it"
            yield at_key(origin.entry, f"no render of any environment reads '{name}'", remedy).of(ID)


def _changed(value: Value) -> Value:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, dict):
        return {"changed": "changed"}
    if isinstance(value, list):
        return [] if value else [{"changed": "changed"}]
    return 1 if value is None else f"{value}changed"


def _with(values: dict[str, Value], keys: Keys, value: Value) -> dict[str, Value]:
    """Give the values with one key set to something else; the mappings on the way are copied."""
    out: dict[Any, Value] = dict(values)
    if len(keys) == 1:
        out[keys[0]] = value
        return out
    below = out.get(keys[0])
    out[keys[0]] = _with(below if isinstance(below, dict) else {}, keys[1:], value)
    return out
