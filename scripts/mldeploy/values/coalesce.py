"""Helm's coalescing: chart defaults below the merged `-f` files, subcharts and globals included.

A port of helm.sh/helm/v4/pkg/chart/common/util (coalesce.go), which the tests compare with Helm itself. Maps merge,
lists and scalars replace, and a null in a values file removes the chart's default.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from mldeploy.values.document import Value

_GLOBAL = "global"
_V = TypeVar("_V")


@dataclass(frozen=True)
class Defaults:
    """A chart's name and default values, and its subcharts'."""

    name: str
    values: dict[str, Value]
    subcharts: tuple[Defaults, ...] = ()


@dataclass(frozen=True)
class Coalesced:
    """What templates see as `.Values`, and what Helm warned of on the way."""

    values: dict[str, Value]
    warnings: tuple[str, ...] = field(default=())


def coalesce(chart: Defaults, overrides: dict[str, Value]) -> Coalesced:
    """Put values over a chart's defaults, as `helm template` does.

    Args:
        chart: the chart's defaults; left as they are.
        overrides: the merged `-f` files; left as they are.

    Raises:
        ValueError: a subchart's key holds something that is no mapping; Helm stops there.
    """
    warnings: list[str] = []
    values = _copy(overrides)
    _coalesce(chart, values, "", warnings, merge=False)
    return Coalesced(values, tuple(warnings))


def _coalesce(chart: Defaults, dest: dict[str, Value], prefix: str, warnings: list[str], *, merge: bool) -> None:
    path = _join(prefix, chart.name)
    _chart_values(chart, dest, path, warnings, merge=merge)
    for subchart in chart.subcharts:
        below = dest.setdefault(subchart.name, {})
        if not isinstance(below, dict):
            raise ValueError(f"{subchart.name} is a subchart's key and must be a mapping")  # noqa: TRY004
        _globals(below, dest, path, warnings)
        _coalesce(subchart, below, path, warnings, merge=merge)


def _chart_values(chart: Defaults, dest: dict[str, Value], path: str, warnings: list[str], *, merge: bool) -> None:
    subcharts = {subchart.name for subchart in chart.subcharts}
    for key, default in _copy(chart.values).items():
        keep_nulls = merge or key in subcharts
        if key not in dest:
            if merge or default is not None:
                dest[key] = default if merge else _without_nulls(default)
            continue
        value = dest[key]
        if value is None and not merge:
            del dest[key]
        elif isinstance(value, dict):
            if isinstance(default, dict):
                source = default if keep_nulls else _without_nulls(default)
                _tables(value, source, _join(path, key), warnings, merge=keep_nulls)
            elif default is not None:
                warnings.append(f"{path}.{key}: the chart's default is no mapping")


def _tables(dest: dict[str, Value], source: dict[str, Value], path: str, warnings: list[str], *, merge: bool) -> None:
    had_value = {key for key, value in source.items() if value is not None}
    for key, value in dest.items():
        if value is None:
            source[key] = None
    for key, value in source.items():
        full = _join(path, key)
        if key not in dest:
            dest[key] = value
            continue
        above = dest[key]
        if above is None and not merge and key in had_value:
            del dest[key]
        elif isinstance(value, dict):
            if isinstance(above, dict):
                _tables(above, value, full, warnings, merge=merge)
            else:
                warnings.append(f"{full}: the chart's default is a mapping")
        elif isinstance(above, dict) and value is not None:
            warnings.append(f"{full}: the chart's default is no mapping")


def _globals(dest: dict[str, Value], source: dict[str, Value], path: str, warnings: list[str]) -> None:
    below = dest.get(_GLOBAL, {})
    above = source.get(_GLOBAL, {})
    if not isinstance(below, dict) or not isinstance(above, dict):
        warnings.append(f"{path}.{_GLOBAL}: not a mapping")
        return
    for key, value in above.items():
        known = below.get(key)
        if isinstance(value, dict):
            copied = dict(value)
            if key in below:
                if not isinstance(known, dict):
                    warnings.append(f"{path}.{_GLOBAL}.{key}: not a mapping in the subchart")
                    continue
                _tables(copied, known, _join(path, key), warnings, merge=True)
            below[key] = copied
        elif not (key in below and isinstance(known, dict)):
            below[key] = value
    dest[_GLOBAL] = below


def _without_nulls(value: _V) -> _V:
    if not isinstance(value, dict):
        return value
    return {key: _without_nulls(child) for key, child in value.items() if child is not None}  # type: ignore[return-value]


def _copy(values: dict[str, Value]) -> dict[str, Value]:
    """Copy mappings, which coalescing changes; lists and scalars are only ever replaced as a whole."""
    return {key: _copy(value) if isinstance(value, dict) else value for key, value in values.items()}


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name
