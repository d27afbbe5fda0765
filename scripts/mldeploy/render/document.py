"""Writes an object as YAML that every reader understands in the same way, and that reads well in a diff.

Helm, kustomize, Argo CD and kubectl do not agree on what an unquoted `1e3`, `0o755`, `y` or `12:30` is (docs/lint.md):
what is not a word for all of them is quoted.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

_WORDS = re.compile(r"[A-Za-z/](?:[ \w./@:-]*[\w./@-])?", re.ASCII)
_RESOLVED = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
_FIRST = ("apiVersion", "kind", "metadata", "name", "namespace")
_NEVER_FOLDED = 1 << 20


def write(data: dict[str, Any], *, comment: str = "") -> str:
    """Write a document: keys in one order, the identifying ones first, whatever order the object has them in.

    Args:
        data: what JSON can hold.
        comment: a line to put above it.
    """
    text: str = yaml.dump(
        _ordered(data),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=_NEVER_FOLDED,
        default_flow_style=False,
    )
    return f"# {comment}\n{text}" if comment else text


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: (_FIRST.index(key) if key in _FIRST else len(_FIRST), key))
        return {key: _ordered(value[key]) for key in keys}
    return [_ordered(item) for item in value] if isinstance(value, list) else value


class _Dumper(yaml.CSafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the library's signature
        """Say that equal parts are written out: an alias hides what changes."""
        return True


def _text(dumper: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    style = None if _WORDS.fullmatch(text) and ": " not in text and text.lower() not in _RESOLVED else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, "|" if "\n" in text else style)


_Dumper.add_representer(str, _text)
