"""Keeps secrets out of reports: the data of Secret objects, what looks like a credential, and copies of either."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from typing import Any

from mldeploy.plan.model import MISSING, FieldChange, Path_
from mldeploy.plan.objects import Manifested

HIDDEN = "(hidden)"
_SECRET_KEYS = ("data", "stringData")
_CREDENTIAL = re.compile(
    r"passw(or)?d|passphrase|secret|token|api[-_]?key|private[-_]?key|access[-_]?key|credential|dsn", re.IGNORECASE
)
# Names that only point at a secret, or count something, hold nothing that must be hidden.
_POINTER = re.compile(
    r"(name|ref|path|file|url|uri|enabled|count|limit|max\w*|min\w*|seconds|ttl|store|version|type)$", re.IGNORECASE
)
# Credentials inside longer texts: `--token=...`, `password: ...`, `redis://user:...@host`.
_ASSIGNED = re.compile(r"(?P<name>[\w.-]+)(?P<sign>\s*[=:]\s*)(?P<value>\"[^\"]*\"|'[^']*'|[^\s\"',;]+)")
_USERINFO = re.compile(r"(?P<scheme>\w+://[^\s/:@]*:)(?P<password>[^\s/@]+)@")
_SHORTEST = 6


class Redactor:
    """Hides secret values wherever they turn up.

    Args:
        objects: every object of both sides, so that a secret's copy in another object is known.
        values: merged values of the releases, whose credential-like keys hold secrets too.
    """

    def __init__(self, objects: Iterable[Manifested], values: Iterable[Any] = ()) -> None:
        known = {text for each in objects for text in _secrets_of(each)}
        known |= {text for each in values for text in _credentials(each)}
        ordered = sorted((text for text in known if len(text) >= _SHORTEST), key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def change(self, each: Manifested, change: FieldChange) -> FieldChange:
        """Give the change with nothing secret in it."""
        return FieldChange(
            change.path,
            self._side(each, change.path, change.before),
            self._side(each, change.path, change.after),
            change.kinds,
        )

    def text(self, text: str) -> str:
        """Give a text, such as an error message, with every known secret hidden."""
        if self._known:
            text = self._known.sub(HIDDEN, text)
        return _ASSIGNED.sub(_assigned, _USERINFO.sub(rf"\g<scheme>{HIDDEN}@", text))

    def _side(self, each: Manifested, path: Path_, value: Any) -> Any:
        if value is MISSING:
            return value
        if each.kind == "Secret" and path[:1] and path[0] in _SECRET_KEYS:
            return _masked(value)
        return self._value(path, value)

    def _value(self, path: Path_, value: Any) -> Any:
        if isinstance(value, dict):
            if isinstance(value.get("name"), str) and "value" in value and is_credential(value["name"]):
                return {**{key: self._value((*path, key), child) for key, child in value.items()}, "value": HIDDEN}
            return {key: self._value((*path, str(key)), child) for key, child in value.items()}
        if isinstance(value, list):
            return [self._value(path, child) for child in value]
        if not isinstance(value, str):
            return value
        names = [path[-2]] if len(path) > 1 and path[-1] == "value" else path[-1:]
        return HIDDEN if any(is_credential(name) for name in names) else self.text(value)


def is_credential(name: str) -> bool:
    """Say whether a key or variable of this name holds a credential itself."""
    return _CREDENTIAL.search(name) is not None and _POINTER.search(name) is None


def credentials_in(text: str) -> Iterator[str]:
    """Give what a longer text assigns to a credential's name, or puts into a URL as its password."""
    for match in _USERINFO.finditer(text):
        yield match["password"]
    for match in _ASSIGNED.finditer(text):
        if is_credential(match["name"]):
            yield match["value"].strip("\"'")


def _assigned(match: re.Match[str]) -> str:
    return f"{match['name']}{match['sign']}{HIDDEN}" if is_credential(match["name"]) else match[0]


def _masked(value: Any) -> Any:
    return dict.fromkeys(value, HIDDEN) if isinstance(value, dict) else HIDDEN


def _secrets_of(each: Manifested) -> Iterator[str]:
    if each.kind != "Secret":
        return
    for key in _SECRET_KEYS:
        entries = each.data.get(key)
        for value in entries.values() if isinstance(entries, dict) else ():
            if isinstance(value, str):
                yield value
                if key == "data":
                    yield from _decoded(value)


def _decoded(value: str) -> Iterator[str]:
    try:
        yield base64.b64decode(value, validate=True).decode("utf-8").strip()
    except (binascii.Error, UnicodeDecodeError):
        return


def _credentials(value: Any, name: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("name"), str) and isinstance(value.get("value"), str) and is_credential(value["name"]):
            yield value["value"]
        for key, child in value.items():
            yield from _credentials(child, str(key))
    elif isinstance(value, list):
        for child in value:
            yield from _credentials(child, name)
    elif isinstance(value, str) and name and is_credential(name):
        yield value
