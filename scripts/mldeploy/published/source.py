"""What there is to say of something published that can be made here: programs, chart, and values that name both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Source:
    """Something published, made from its pinned Go module.

    Attributes:
        name: its release in deployments/published.
        key: its part of that helmfile's state values.
        programs: their names in scripts/toolchain/tools.toml; each is an image of its own.
        write_chart: writes the chart into a folder that does not exist yet.
        image_values: what the state values say of the images, from each program's reference.
    """

    name: str
    key: str
    programs: tuple[str, ...]
    write_chart: Callable[[Path], None]
    image_values: Callable[[Mapping[str, str]], dict[str, Any]]


def split(reference: str) -> dict[str, str]:
    """Part an image's reference into repository and tag, as charts take it."""
    repository, _, tag = reference.rpartition(":")
    return {"repository": repository, "tag": tag}
