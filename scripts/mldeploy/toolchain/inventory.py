"""What is installed, for people to read."""

from __future__ import annotations

from dataclasses import dataclass

from mldeploy.toolchain import environments, store
from mldeploy.toolchain.pins import Pins, load


@dataclass(frozen=True)
class Row:
    """One tool: as pinned, where it came from, its state ("good", "not installed", "damaged: ..."), and its bytes."""

    name: str
    version: str
    group: str
    source: str
    state: str
    size: int


def inventory(pins: Pins | None = None, *, thorough: bool = False) -> list[Row]:
    """List every pinned tool.

    Args:
        pins: default: this repository's.
        thorough: hash every file, whatever its status says.
    """
    pins = pins or load()
    rows = []
    for pin in pins.tools.values():
        source, state, size = "-", "not installed", 0
        try:
            entry = store.find(pin.name, pins.key(pin), thorough=thorough)
        except store.DamagedError as error:
            state = f"damaged: {error.message}"
        else:
            if entry is not None:
                manifest = entry.manifest
                source = manifest.program if manifest.source == "PATH" else manifest.source
                state, size = "good", entry.size
        rows.append(Row(pin.name, pin.version or "own", pin.group, source, state, size))
    return rows


def environment_rows() -> list[Row]:
    """List the Python programs that have an environment of their own; what these weigh is not counted."""
    return [
        Row(name, environments.version(name), "internal", "PyPI", state, 0)
        for name in environments.NAMES
        for state in ["good" if environments.is_installed(name) else "not installed"]
    ]
