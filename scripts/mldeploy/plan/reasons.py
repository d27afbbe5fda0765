"""Why a release differs: the lines of values files, and the files of the chart and the helmfile, that made it so."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from mldeploy.errors import MldeployError
from mldeploy.plan.model import Reason
from mldeploy.render import Release
from mldeploy.values import Keys, Layered, Workspace
from mldeploy.values.leaves import leaves

_IGNORED_CHART_FILES = {"README.md", "values.schema.json", ".helmignore"}
_BASE_YAML = Path("deployments") / "base.yaml"


class Values:
    """The values of one side's releases, with the line of each."""

    def __init__(self, root: Path) -> None:
        self._workspace = Workspace(root)
        self.root = root

    def layered(self, release: Release) -> Layered | None:
        """Give a release's layers; None where they cannot be read (the renderer says why)."""
        try:
            own = next(each for each in self._workspace.releases(release.environment) if each.name == release.name)
            layered = self._workspace.layered(own)
            layered.values  # noqa: B018 - merged now, so that what cannot be merged is known now
        except (MldeployError, OSError, StopIteration):
            return None
        # Where helmfile reads other files than the release template says, no line can be named.
        return (
            layered if [_plain(path) for path in own.files] == [_plain(path) for path in release.values_files] else None
        )

    def reason(self, layered: Layered, keys: Keys, side: str, *, dropped: bool = False) -> Reason | None:
        """Name the line that sets `keys`, or the nearest of its parents that a layer sets."""
        for length in range(len(keys), 0, -1):
            origin = layered.origin(keys[:length])
            if origin is not None:
                place = origin.entry.key_position
                return Reason(self.relative(place.path), place.line, dotted(keys), side, dropped)
        return None

    def relative(self, path: Path) -> Path:
        """Give a path relative to the checkout, where it is inside."""
        plain = _plain(path)
        return plain.relative_to(self.root) if plain.is_relative_to(self.root) else plain


def _plain(path: Path) -> Path:
    """Take `.` and `..` out of a path, links left as they are."""
    return Path(os.path.normpath(path))


def reasons(before: tuple[Values, Release] | None, after: tuple[Values, Release] | None) -> tuple[Reason, ...]:
    """Give what made a release differ, values first, then the chart's files, then the helmfile's."""
    if before is None or after is None:
        values, release = before or after or (None, None)
        if values is None or release is None:
            return ()
        return (Reason(release.file, 0, f"declares {release.name}", "base" if after is None else "head"),)
    return (*_values(before, after), *_chart(before, after), *_declaration(before, after))


def applied_reasons(config: Mapping[str, Any], after: tuple[Values, Release]) -> tuple[Reason, ...]:
    """Give what made a release differ from what a cluster has: values other than those it was applied with.

    Args:
        config: the values that it was applied with, as Helm stored them.
        after: the side that is planned.
    """
    values, release = after
    new = values.layered(release)
    if new is None:
        return ()
    found: list[Reason | None] = []
    for keys, gone in differing(dict(config), new.overrides):
        if gone and new.origin(keys) is None:
            path = values.relative(release.values_files[-1]) if release.values_files else release.file
            found.append(Reason(path, 0, dotted(keys), "head", dropped=True))
        else:
            found.append(values.reason(new, keys, "head", dropped=gone))
    return tuple(each for each in found if each is not None)


def _values(before: tuple[Values, Release], after: tuple[Values, Release]) -> Iterator[Reason]:
    old, new = before[0].layered(before[1]), after[0].layered(after[1])
    if old is None or new is None:
        return
    for keys, gone in differing(old.values, new.values):
        dropped = _dropped(old, new, keys)
        if dropped or (gone and new.origin(keys) is None):
            found = before[0].reason(old, keys, "base", dropped=dropped)
        else:
            found = after[0].reason(new, keys, "head")
        if found is not None:
            yield found


def _dropped(old: Layered, new: Layered, keys: Keys) -> bool:
    """Say whether a values file set the key before and none does now: the chart's default is back, or nothing."""
    return any(layer.find(keys) for layer in old.layers[1:]) and not any(layer.find(keys) for layer in new.layers[1:])


def differing(before: Any, after: Any, keys: Keys = ()) -> Iterator[tuple[Keys, bool]]:
    """Give the keys whose values differ, and whether the second side lacks them; lists are compared as a whole."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*after, *(key for key in before if key not in after)]:
            own = (*keys, key)
            if key not in after:
                yield from ((leaf, True) for leaf, _ in leaves(before[key], own))
            elif key not in before:
                yield from ((leaf, False) for leaf, _ in leaves(after[key], own))
            else:
                yield from differing(before[key], after[key], own)
    elif type(before) is not type(after) or before != after:
        yield keys, False


def _chart(before: tuple[Values, Release], after: tuple[Values, Release]) -> Iterator[Reason]:
    old_path, new_path = before[1].chart_path, after[1].chart_path
    if old_path is None or new_path is None:
        return
    old, new = _files(old_path), _files(new_path)
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            gone = name not in new
            values, path = (before[0], old_path) if gone else (after[0], new_path)
            if Path(name).name == "values.yaml" and "/" not in name:
                continue  # its keys are among the values
            # ml-common is a link below each chart that uses it: the file itself is named.
            file, root = (path / name).resolve(), values.root.resolve()
            shown = file.relative_to(root) if file.is_relative_to(root) else Path(name)
            yield Reason(shown, 0, "the chart's file", "base" if gone else "head")


@cache
def _files(chart: Path) -> Mapping[str, str]:
    """Hash a chart's files, links followed, except those that render nothing."""
    if chart.is_file():
        return {"": hashlib.sha256(chart.read_bytes()).hexdigest()}
    found: dict[str, str] = {}
    pending = [chart]
    while pending:
        folder = pending.pop()
        for path in sorted(folder.iterdir()):
            if path.is_dir():
                pending.append(path)
            elif path.is_file() and path.name not in _IGNORED_CHART_FILES and "ci" not in path.relative_to(chart).parts:
                found[path.relative_to(chart).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def _declaration(before: tuple[Values, Release], after: tuple[Values, Release]) -> Iterator[Reason]:
    old, new = before[1], after[1]
    said = {
        "namespace": (old.namespace, new.namespace),
        "chart": (old.chart, new.chart),
        "values files": (_names(before), _names(after)),
        "kubeVersion": (old.kube_version, new.kube_version),
        "apiVersions": (old.api_versions, new.api_versions),
        "skipSchemaValidation": (old.skip_schema_validation, new.skip_schema_validation),
    }
    changed = [name for name, (one, other) in said.items() if one != other]
    if changed:
        yield Reason(_BASE_YAML, 0, f"declares other {', '.join(changed)}")


def _names(side: tuple[Values, Release]) -> list[str]:
    root = side[0].root
    return [str(path.relative_to(root)) if path.is_relative_to(root) else str(path) for path in side[1].values_files]


def dotted(keys: Keys) -> str:
    """Write keys as people do: `image.tag`, `env[0].name`, `annotations."example.com/x"`."""
    text = ""
    for key in keys:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            plain = key.replace("-", "").replace("_", "").isalnum()
            text += ("." if text else "") + (key if plain else f'"{key}"')
    return text
