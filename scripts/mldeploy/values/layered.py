"""A release's values in layers: what they make together, and who set each of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mldeploy.errors import MldeployError
from mldeploy.values.coalesce import Coalesced, Defaults, coalesce
from mldeploy.values.document import Document, Entry, Keys, Position, Value
from mldeploy.values.reader import merge
from mldeploy.values.validation import Schema, SchemaError

if TYPE_CHECKING:
    from collections.abc import Mapping

_COLLECTIONS = (dict, list)


@dataclass(frozen=True)
class Release:
    """One Helm release, as helmfile sees it.

    Attributes:
        name, namespace, environment, service, labels: as declared.
        chart: the chart's folder.
        files: the values files above the chart's own, lowest first.
        declared: where the release is declared.
        timeout_seconds: how long Helm waits for it.
        is_first_environment: whether its environment is the first, where what is new runs.
    """

    name: str
    namespace: str
    environment: str
    service: str
    labels: Mapping[str, str]
    chart: Path
    files: tuple[Path, ...]
    declared: Position
    timeout_seconds: float
    is_first_environment: bool


@dataclass(frozen=True)
class Origin:
    """Who set a value: the entry that won, and those that it overrode, the nearest first.

    `entry.value` is None where the winner removes the key with a null.
    """

    entry: Entry
    overrode: tuple[Entry, ...]


@dataclass(frozen=True)
class Layered:
    """A release's values: the layers, lowest (the chart's) first, and what they make together."""

    release: Release
    layers: tuple[Document, ...]
    defaults: Defaults
    schema: Schema | None = None

    @cached_property
    def overrides(self) -> dict[str, Value]:
        """The values files merged, without the chart's defaults: what `helmfile write-values` writes."""
        merged: dict[str, Value] = {}
        for layer in self.layers[1:]:
            merged = merge(merged, layer.values)
        return merged

    def below(self, height: int) -> dict[str, Value]:
        """Merge the layers under the one at `height`, the chart's defaults included."""
        merged: dict[str, Value] = {}
        for layer in self.layers[:height]:
            merged = merge(merged, layer.values)
        return merged

    @cached_property
    def coalesced(self) -> Coalesced:
        """Everything merged, with Helm's warnings.

        Raises:
            MldeployError: a subchart's key holds something that is no mapping.
        """
        try:
            return coalesce(self.defaults, self.overrides)
        except ValueError as error:
            raise MldeployError(f"{self.release.name}: {error}", remedy="make it a mapping") from error

    @property
    def values(self) -> dict[str, Value]:
        """What the templates see as `.Values`. Not to be changed."""
        return self.coalesced.values

    @cached_property
    def mappings(self) -> list[tuple[Keys, dict[str, Value]]]:
        """Every mapping in the merged values and its keys; made once, since rules go through all of them."""
        found: list[tuple[Keys, dict[str, Value]]] = []
        todo: list[tuple[Keys, Value]] = [((), self.values)]
        while todo:
            keys, value = todo.pop()
            if type(value) is dict:
                found.append((keys, value))
                todo += [((*keys, name), child) for name, child in value.items() if type(child) in _COLLECTIONS]
            elif type(value) is list:
                todo += [((*keys, at), child) for at, child in enumerate(value) if type(child) in _COLLECTIONS]
        return found

    @cached_property
    def schema_errors(self) -> tuple[SchemaError, ...]:
        """What the chart's schema says against the merged values."""
        return self.schema.errors(self.values) if self.schema else ()

    def origin(self, keys: Keys) -> Origin | None:
        """Say who set `keys`: None when no layer does (a subchart's default, or nothing at all)."""
        entries: list[Entry] = []
        for layer in reversed(self.layers):
            entry = layer.find(keys)
            if entry is not None:
                entries.append(entry)
                if isinstance(entry.value, list) and keys and isinstance(keys[-1], int):
                    break
            if _replaces(layer, keys):
                break
        return Origin(entries[0], tuple(entries[1:])) if entries else None

    def layer(self, origin: Origin) -> Document:
        """Give the layer that an origin's winner is in."""
        return next(layer for layer in self.layers if layer.path == origin.entry.position.path)

    def higher(self, left: Keys, right: Keys) -> tuple[Origin | None, Origin | None]:
        """Give the origins of two keys, the one from the higher layer first: it was set against the other."""
        origins = [origin for origin in (self.origin(left), self.origin(right)) if origin is not None]
        origins.sort(key=lambda origin: self.layers.index(self.layer(origin)), reverse=True)
        return (origins[0] if origins else None), (origins[1] if len(origins) > 1 else None)


def _replaces(layer: Document, keys: Keys) -> bool:
    """Tell whether a layer sets one of the ancestors to something that hides what lower layers have there."""
    for length in range(1, len(keys)):
        entry = layer.find(keys[:length])
        if entry is None:
            return False
        if not isinstance(entry.value, dict):
            return True
    return False
