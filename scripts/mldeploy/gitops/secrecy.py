"""Refuses to publish what must not be read by everyone who may read the repository."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mldeploy.check.judge import judge
from mldeploy.errors import RefusedError
from mldeploy.plan.objects import Manifested
from mldeploy.plan.redact import credentials_in
from mldeploy.plan.reports.words import dotted
from mldeploy.values.odd import is_placeholder, is_secret_key, secret_shape

_POLICY = Path("policies") / "no-literal-secrets.yaml"
_ANY_MINOR = (1, 0)
_SHOWN = 10


def refuse_secrets(root: Path, objects: Sequence[Manifested]) -> None:
    """Refuse objects that hold a secret; what it is, is not told.

    Args:
        root: the side they are rendered from, for its policy on literal secrets.
        objects: all that is to be published.

    Raises:
        RefusedError: there is a `Secret`, or a text that looks like a credential.
    """
    found = [f"{_name(each)}: {what}" for each in objects for what in _exposed(each)]
    if (root / _POLICY).is_file():
        judged = judge([each.data for each in objects], [root / _POLICY], _ANY_MINOR)
        found += [
            f"{_name(each)}: {problem.message}"
            for each, problems in zip(objects, judged, strict=True)
            for problem in problems
            if problem.rule == _POLICY.stem
        ]
    if found:
        unique = list(dict.fromkeys(found))
        more = [f"and {len(unique) - _SHOWN} more"] if len(unique) > _SHOWN else []
        raise RefusedError(
            "secrets are not published:" + "".join(f"\n  {line}" for line in [*unique[:_SHOWN], *more]),
            remedy="keep the value in the secret store, and name it under externalSecret.data",
        )


def _name(each: Manifested) -> str:
    return f"{each.namespace or 'cluster'}: {each.kind} {each.name}"


def _exposed(each: Manifested) -> Iterator[str]:
    if each.kind == "Secret":
        yield "a Secret"
        return
    for path, text in _texts(each.data, ()):
        if shape := _shape(path, text):
            yield f"{dotted(path)} looks like {shape}"


def _shape(path: tuple[str, ...], text: str) -> str:
    if is_placeholder(text):
        return ""
    if found := secret_shape(text):
        return found
    if any(not is_placeholder(value) for value in credentials_in(text)):
        return "it has a credential in it"
    return "a credential" if path and is_secret_key(path[-1]) else ""


def _texts(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Give every text with its path; a variable's value is found under the variable's name."""
    if isinstance(value, dict):
        name = value.get("name") if "value" in value else None
        for key, child in value.items():
            yield from _texts(child, (*path, name if key == "value" and isinstance(name, str) else str(key)))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _texts(child, (*path[:-1], f"{path[-1]}[{index}]") if path else (str(index),))
    elif isinstance(value, str) and value:
        yield path, value
