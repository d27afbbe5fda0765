"""Patches that people write: kept as they are, listed after the generated ones, and never against the values.

They are the files of an overlay's folder `by-hand/`, each one strategic-merge patch of one object by its base's name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mldeploy.errors import CheckFailedError, MldeployError
from mldeploy.overlay.blame import blame
from mldeploy.overlay.layout import BY_HAND, Layout, refuse_links
from mldeploy.overlay.patches import Differences
from mldeploy.overlay.source import Target
from mldeploy.overlay.strategic import Steps, leaves, merging
from mldeploy.plan.model import Item
from mldeploy.plan.reports.words import dotted
from mldeploy.values import Document, read

_IDENTITY = (("apiVersion",), ("kind",), ("metadata", "name"))


@dataclass(frozen=True)
class ByHand:
    """One file.

    Attributes:
        name: its path below the overlay's folder.
    """

    name: str
    document: Document

    @property
    def text(self) -> str:
        """The file as it is."""
        return self.document.text

    @property
    def data(self) -> dict[str, Any]:
        """The patch."""
        return dict(self.document.values)

    @property
    def subject(self) -> tuple[str, str]:
        """The kind and name that it is for."""
        metadata = self.data.get("metadata")
        return str(self.data.get("kind")), str(metadata.get("name") if isinstance(metadata, dict) else None)


def read_all(layout: Layout, environment: str) -> list[ByHand]:
    """Read an environment's hand-written patches, in the order of their names.

    Raises:
        RefusedError: one of them is a link.
        MldeployError: one is no YAML, no object, or several.
    """
    overlay = layout.overlay(environment)
    found: list[ByHand] = []
    for path in sorted((overlay / BY_HAND).glob("*.yaml")):
        refuse_links(layout.root, path)
        one = ByHand(path.relative_to(overlay).as_posix(), read(path))
        shown = path.relative_to(layout.root)
        if len(one.document.parts) != 1:
            raise MldeployError(f"{shown}: holds several documents", remedy="write a file for each object")
        if not one.data.get("apiVersion") or "None" in one.subject:
            raise MldeployError(
                f"{shown}:1:1: says not which object it is for", remedy="write its apiVersion, kind and metadata.name"
            )
        found.append(one)
    return found


def refuse_conflicts(root: Path, target: Target, found: Differences, hands: Sequence[ByHand]) -> None:
    """Refuse a field that both a hand-written patch and the environment's values set: one would hide the other.

    Raises:
        CheckFailedError: with every such field, and both places.
    """
    told = [line for one in hands for line in _conflicts(root, target, found, one)]
    if told:
        raise CheckFailedError("\n".join(told), remedy="keep one of the two, then run this again")


def _conflicts(root: Path, target: Target, found: Differences, one: ByHand) -> Iterator[str]:
    for generated in found.patches.values():
        if (generated["kind"], generated["metadata"]["name"]) != one.subject:
            continue
        ours = [path for path, _ in leaves(generated, merging(generated)) if path not in _IDENTITY]
        for path, where in leaves(one.data, merging(generated)):
            if path in _IDENTITY or not any(_overlap(path, other) for other in ours):
                continue
            entry = one.document.nearest(where)
            place = entry.key_position if entry is not None else one.document.path
            shown = str(place).removeprefix(f"{root}/")
            causes = blame(root, target, one.subject, path)
            yield f"{shown}: sets {_dotted(path)} of {' '.join(one.subject)}, and so does {causes}"


def _dotted(path: Steps) -> str:
    """Write a path as plans do: `spec.containers[api].image`."""
    return dotted(tuple(Item(step.partition("=")[2]) if "=" in step else step for step in path))


def _overlap(one: Steps, other: Steps) -> bool:
    length = min(len(one), len(other))
    return one[:length] == other[:length]
