"""Values: YAML in Helm's dialect with positions, the layers of a release, and the rules that check them."""

from __future__ import annotations

from mldeploy.values.document import Document, Entry, Keys, Position, ReadError, Value
from mldeploy.values.layered import Layered, Origin, Release
from mldeploy.values.layers import Workspace
from mldeploy.values.reader import merge, parse, read

__all__ = [
    "Document",
    "Entry",
    "Keys",
    "Layered",
    "Origin",
    "Position",
    "ReadError",
    "Release",
    "Value",
    "Workspace",
    "merge",
    "parse",
    "read",
]
