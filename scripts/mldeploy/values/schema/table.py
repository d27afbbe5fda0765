"""The table of values in a chart's README, between two markers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from mldeploy.errors import MldeployError
from mldeploy.values.schema.annotations import Key

BEGIN = "<!-- values: begin (mldeploy schema) -->"
END = "<!-- values: end -->"
_LONGEST = 60


def with_table(path: Path, keys: Sequence[Key]) -> str:
    """Give a README's text with its table written anew.

    Raises:
        MldeployError: the README cannot be read or lacks the markers.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise MldeployError(f"{path}: {error.strerror}", remedy="restore it from git") from error
    pattern = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    if not pattern.search(text):
        raise MldeployError(f"{path}: has no place for the table of values", remedy=f"add the lines {BEGIN} and {END}")
    rows = [f"| `{name}` | {_cell(key.description)} | {_default(key)} |" for name, key in _described(keys, "")]
    table = "\n".join([BEGIN, "| key | what it is | default |", "| --- | --- | --- |", *rows, END])
    return pattern.sub(lambda _: table, text, count=1)


def _described(keys: Sequence[Key], prefix: str) -> Iterator[tuple[str, Key]]:
    for key in keys:
        if key.children:
            yield from _described(key.children, f"{prefix}{key.name}.")
        else:
            yield f"{prefix}{key.name}", key


def _default(key: Key) -> str:
    text = json.dumps(key.default, ensure_ascii=False)
    return f"`{_cell(text)}`" if len(text) <= _LONGEST else "see values.yaml"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
