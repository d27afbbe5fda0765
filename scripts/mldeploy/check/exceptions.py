"""Problems that are not mended, each written down with its reason in `policies/exceptions.toml`."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from mldeploy.errors import MldeployError
from mldeploy.plan.objects import Manifested

FILE = Path("policies") / "exceptions.toml"
_HEAD = re.compile(r"^\[\[exception\]\]", re.MULTILINE)
_KEYS = {"rule", "reason", "objects", "environments"}


@dataclass
class Written:
    """One exception; its keys are explained at the top of the file.

    Attributes:
        line: where it is.
        used: those of its patterns that something matched; `rule` itself, where it has none.
    """

    line: int
    rule: str
    objects: tuple[str, ...]
    environments: tuple[str, ...]
    used: set[str] = field(default_factory=set)

    @property
    def parts(self) -> tuple[str, ...]:
        """What has to match something, or the exception is written too wide."""
        return (*self.objects, *self.environments) or (self.rule,)

    def covers(self, rule: str, each: Manifested, environment: str) -> bool:
        """Say whether a problem is excepted, and remember by which of the patterns."""
        objects = [pattern for pattern in self.objects if fnmatchcase(f"{each.kind}/{each.name}", pattern)]
        if rule != self.rule or (self.objects and not objects):
            return False
        if self.environments and environment not in self.environments:
            return False
        self.used |= {self.rule, environment, *objects}
        return True


class Exceptions:
    """The exceptions of a checkout.

    Args:
        root: the checkout; it need not have any.

    Raises:
        MldeployError: an exception has no rule, no reason or an unknown key.
    """

    def __init__(self, root: Path) -> None:
        path = root / FILE
        text = path.read_text("utf-8") if path.exists() else ""
        try:
            tables = tomllib.loads(text).get("exception", [])
        except tomllib.TOMLDecodeError as error:
            raise MldeployError(f"{FILE}: {error}", remedy="correct the file") from error
        lines = [text.count("\n", 0, match.start()) + 1 for match in _HEAD.finditer(text)]
        self._all = [_written(table, line) for table, line in zip(tables, lines, strict=True)]

    def cover(self, rule: str, each: Manifested, environment: str) -> bool:
        """Say whether a problem is excepted."""
        covering = [written for written in self._all if written.covers(rule, each, environment)]
        return bool(covering)

    def unused(self) -> list[tuple[int, str]]:
        """Give the line of each exception that covers nothing, and what of it that is."""
        return [
            (each.line, f"{each.rule}: {part}") for each in self._all for part in each.parts if part not in each.used
        ]


def _written(table: dict[str, object], line: int) -> Written:
    where = f"{FILE}:{line}:1"
    if unknown := sorted(set(table) - _KEYS):
        raise MldeployError(f"{where}: unknown key {unknown[0]!r}", remedy=f"known: {', '.join(sorted(_KEYS))}")
    for key in ("rule", "reason"):
        value = table.get(key)
        if not isinstance(value, str) or not value.strip():
            raise MldeployError(f"{where}: an exception without a {key}", remedy=f'write {key} = "..."')
    lists: dict[str, tuple[str, ...]] = {}
    for key in ("objects", "environments"):
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise MldeployError(f"{where}: {key} is no list of text", remedy=f'write {key} = ["..."]')
        lists[key] = tuple(value)
    return Written(line, str(table["rule"]), lists["objects"], lists["environments"])
