"""What `scripts/toolchain/tools.toml` pins, and the key under which a built tool is kept."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from mldeploy.errors import MldeployError

DECLARED = Path(__file__).parents[2] / "toolchain"
GROUPS = ("deploy", "cluster", "published", "internal", "test")
# What is installed when something asks for it: an extra of `mldeploy up`, or the tests.
ON_DEMAND = frozenset({"published", "test"})


@dataclass(frozen=True)
class Pin:
    """One program of tools.toml; the keys are explained at the top of that file."""

    name: str
    module: str
    package: str
    group: str
    version: str = ""
    tags: tuple[str, ...] = ()
    stamp: tuple[str, ...] = ()
    ask: tuple[str, ...] = ()
    build_mb: int = 0
    plugin: bool = False
    binary: str = ""
    files: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The name and the version, as people read them."""
        return f"{self.name} {self.version}".rstrip()


@dataclass(frozen=True)
class Pins:
    """All programs of one tools.toml.

    Attributes:
        folder: where tools.toml and the module folders are.
        tools: every pin by name, in the file's order.
    """

    folder: Path
    tools: dict[str, Pin]

    def pin(self, name: str) -> Pin:
        """Give the pin called `name`.

        Raises:
            MldeployError: there is none.
        """
        if name in self.tools:
            return self.tools[name]
        from difflib import get_close_matches

        near = get_close_matches(name, self.tools, n=1)
        remedy = f"did you mean '{near[0]}'? see mldeploy tools list" if near else "see mldeploy tools list"
        raise MldeployError(f"no such tool: {name}", remedy=remedy)

    def ldflags(self, module: str) -> str:
        """Give the linker flags that every program of a module is built with: small, and stamped with their versions.

        One `go build` makes all programs of a module, so their stamps are joined; the linker ignores those of variables
        that a program does not have.
        """
        stamps = dict.fromkeys(
            text.format(version=pin.version, number=pin.version.removeprefix("v"), major=major, minor=minor)
            for pin in self.tools.values()
            if pin.module == module
            for major, minor in [_major_minor(pin.version)]
            for text in pin.stamp
        )
        return " ".join(["-s -w", *(f"-X {stamp}" for stamp in stamps)])

    def tags(self, module: str) -> tuple[str, ...]:
        """Give the build tags that every program of a module is built with: those of all of them, as with `ldflags`."""
        return tuple(dict.fromkeys(tag for pin in self.tools.values() if pin.module == module for tag in pin.tags))

    def key(self, pin: Pin) -> str:
        """Hash all that decides what a tool is: package, version, files, flags, and every file of its module folder.

        The compiler is not part of it: go.mod states the oldest that will do, and a tool built by an older release of
        Go stays good when the machine gets a newer one (docs/decisions/0003-toolchain.md).
        """
        digest = hashlib.sha256()
        parts = [pin.name, pin.package, pin.version, pin.binary, *pin.files, self.ldflags(pin.module)]
        parts += [f"tag {tag}" for tag in self.tags(pin.module)]
        folder = self.folder / pin.module
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.name.endswith("_test.go"):
                parts += [path.relative_to(folder).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()]
        for part in parts:
            digest.update(f"{len(part)}:{part}".encode())
        return digest.hexdigest()[:16]


@cache
def load(folder: Path = DECLARED) -> Pins:
    """Read `tools.toml` of `folder`.

    Raises:
        MldeployError: it is missing, no TOML, or an entry has a wrong key, type or group, or no module folder.
    """
    path = folder / "tools.toml"
    try:
        with path.open("rb") as file:
            declared = tomllib.load(file)
    except OSError as error:
        raise MldeployError(f"{path}: {error.strerror}", remedy="restore the file from git") from error
    except tomllib.TOMLDecodeError as error:
        raise MldeployError(f"{path}: {error}", remedy="correct the file") from error
    return Pins(folder, {name: _pin(path, name, entry) for name, entry in declared.items()})


_TYPES = {"str": str, "int": int, "bool": bool, "tuple[str, ...]": list}


def _pin(path: Path, name: str, entry: Any) -> Pin:
    known = {field.name: _TYPES[str(field.type)] for field in fields(Pin) if field.name != "name"}
    if not isinstance(entry, dict):
        raise MldeployError(f"{path}: {name} is not a table", remedy=f"write [{name}] above its keys")
    for key, value in entry.items():
        if key not in known:
            raise MldeployError(
                f"{path}: [{name}] has an unknown key {key!r}", remedy=f"known keys: {', '.join(known)}"
            )
        if not isinstance(value, known[key]) or (isinstance(value, list) and not all(type(v) is str for v in value)):
            raise MldeployError(f"{path}: [{name}] {key} has the wrong type", remedy="see the other entries")
    for key in ("module", "package", "group"):
        if key not in entry:
            raise MldeployError(f"{path}: [{name}] has no {key}", remedy="see the top of the file")
    if entry["group"] not in GROUPS:
        raise MldeployError(f"{path}: [{name}] has group {entry['group']!r}", remedy=f"use one of {', '.join(GROUPS)}")
    if not (path.parent / entry["module"] / "go.mod").is_file():
        raise MldeployError(
            f"{path}: [{name}] module folder {entry['module']} has no go.mod", remedy="add its go.mod and go.sum"
        )
    given: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    return Pin(name=name, **{"binary": f"bin/{name}", **given})


def _major_minor(version: str) -> tuple[str, str]:
    numbers = version.removeprefix("v").split(".")
    return (numbers[0], numbers[1]) if len(numbers) > 1 else ("", "")
