"""Reads values files exactly as the pinned Helm does, and says at which line it would not.

Helm cuts a file into documents at lines that begin with `---` (inside a block scalar, too), reads the first YAML
document of each piece, and merges the pieces (helm.sh/helm/v4/pkg/chart/v2/loader.LoadValues). The YAML is go-yaml
v2's; PyYAML's libyaml is its ancestor and a little more liberal, so what only libyaml accepts is refused here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from mldeploy.values import aliases, guard, strictness
from mldeploy.values.construct import ConstructError, construct
from mldeploy.values.document import Document, Part, Position, ReadError
from mldeploy.values.nodes import MappingNode, ScalarNode, compose, events

if TYPE_CHECKING:
    from collections.abc import Callable

    from mldeploy.values.document import Value

_SEPARATOR = "---"
_BOM = "\ufeff"
_GO_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
_CONTROL = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DOCUMENT_END = re.compile(r"^\.\.\.(?=[ \t\n]|\Z)", re.MULTILINE)


def read(path: Path) -> Document:
    """Read a values file.

    Raises:
        ReadError: Helm refuses it, or it exceeds a limit (see `guard`).
        MldeployError: it cannot be opened.
    """
    try:
        with path.open("rb") as file:
            data = file.read(guard.MAX_BYTES + 1)
    except OSError as error:
        raise ReadError(Position(path, 1, 1), error.strerror or str(error), "check the path") from error
    return parse(data, path)


def parse(data: bytes, path: Path) -> Document:
    """Read a values file's content; `path` is only what messages call it.

    Raises:
        ReadError: as in `read`.
    """
    text = _decode(data, path)
    normal = text.replace("\r\n", "\n")
    if normal and not normal.endswith("\n"):
        normal += "\n"
    values: dict[str, Value] = {}
    parts: list[Part] = []
    ignored = 0
    for skipped, piece in _pieces(normal, path):
        part, piece_values = _part(piece, skipped, path)
        parts.append(part)
        values = merge(values, piece_values) if values else piece_values
        end = _DOCUMENT_END.search(piece) if "\n..." in piece else None
        if end and piece[end.end() :].strip() and not ignored:
            ignored = skipped + piece.count("\n", 0, end.end()) + 2
    return Document(path, text, values, tuple(parts), ignored)


def merge(low: dict[str, Value], high: dict[str, Value]) -> dict[str, Value]:
    """Merge two values as Helm merges `-f` files: maps merge, everything else replaces; null stays null."""
    out = dict(low)
    for key, value in high.items():
        below = out.get(key)
        out[key] = merge(below, value) if isinstance(value, dict) and isinstance(below, dict) else value
    return out


def _decode(data: bytes, path: Path) -> str:
    if len(data) > guard.MAX_BYTES:
        raise ReadError(
            Position(path, 1, 1),
            f"more than {guard.MAX_BYTES >> 20} MiB, which no release can hold",
            "keep bulk data out of values",
        )
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"} or b"\x00" in data[:4]:
        raise ReadError(Position(path, 1, 1), "this is UTF-16 or UTF-32 text, not UTF-8", "save the file as UTF-8")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        start = data.rfind(b"\n", 0, error.start) + 1
        line = data.count(b"\n", 0, error.start) + 1
        column = len(data[start : error.start].decode("utf-8", "replace")) + 1
        raise ReadError(
            Position(path, line, column),
            f"byte 0x{data[error.start]:02x} is not UTF-8 (Latin-1?)",
            "save the file as UTF-8",
        ) from error


def _pieces(text: str, path: Path) -> list[tuple[int, str]]:
    """Cut a text as k8s.io/apimachinery's YAMLReader does: the lines before each piece, and the piece."""
    if not text.startswith(_SEPARATOR) and "\n---" not in text:
        return [(0, text)] if text else []
    pieces: list[tuple[int, str]] = []
    lines: list[str] = []
    first = 0
    for number, line in enumerate(text.split("\n")[:-1]):
        if line.startswith(_SEPARATOR):
            rest = line[len(_SEPARATOR) :].strip(_GO_SPACE)
            if rest and not rest.startswith("#"):
                raise ReadError(
                    Position(path, number + 1, 1),
                    f"Helm takes a line that begins with '---' for a separator and refuses '{rest[:40]}' after it",
                    "indent the line, or leave only '---'",
                )
            if len(pieces) == guard.MAX_DOCUMENTS:
                raise ReadError(
                    Position(path, number + 1, 1),
                    f"more than {guard.MAX_DOCUMENTS} YAML documents",
                    "keep one document in a values file",
                )
            if lines:
                pieces.append((first, "\n".join(lines) + "\n"))
                lines = []
                first = number + 1
                continue
        if not lines:
            first = number
        lines.append(line)
    if lines:
        pieces.append((first, "\n".join(lines) + "\n"))
    return pieces


def _part(piece: str, skipped: int, path: Path) -> tuple[Part, dict[str, Value]]:
    import yaml

    text = piece.removeprefix(_BOM)
    if _BOM in text:
        line = text.count("\n", 0, text.index(_BOM))
        raise ReadError(Position(path, skipped + line + 1, 1), "a byte order mark (U+FEFF) in the text", "remove it")

    def place(line: int, column: int) -> Position:
        return Position(path, skipped + line + 1, column + 1)

    try:
        guard.check(text, events)
        strictness.check_text(text)
        root = compose(text)
        strictness.settle(root, text)
        if root is None:
            return Part(None, skipped), {}
        if not isinstance(root, MappingNode):
            if isinstance(root, ScalarNode) and root.tag.value is None:
                return Part(None, skipped), {}
            mark = root.start_mark
            raise ReadError(place(mark.line, mark.column), "values must be a mapping", "write 'key: value' lines")
        aliases.check(root, text)
        values, notes = construct(root)
    except guard.LimitError as error:
        raise ReadError(place(error.line - 1, 0), str(error), "split or shorten the file") from error
    except (ConstructError, strictness.StrictError) as error:
        mark = error.node.start_mark if isinstance(error, ConstructError) else error.mark
        raise ReadError(place(mark.line, mark.column), str(error), error.remedy) from error
    except yaml.YAMLError as error:
        raise _read_error(error, text, place) from error
    return Part(root, skipped, notes), values


def _read_error(error: Exception, text: str, place: Callable[[int, int], Position]) -> ReadError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is not None:
        what = getattr(error, "problem", None) or str(error)
        context = getattr(error, "context", None)
        line, column = mark.line, mark.column
        if line and line >= text.count("\n"):
            line, column = max(text.count("\n") - 1, 0), 0  # the end of the text: point at its last line
        return ReadError(place(line, column), f"{what}{f' ({context})' if context else ''}", _remedy(what))
    control = _CONTROL.search(text)
    if control is None:
        return ReadError(place(0, 0), str(error), "correct the YAML")
    line = text.count("\n", 0, control.start())
    column = control.start() - text.rfind("\n", 0, control.start()) - 1
    return ReadError(
        place(line, column), f"the control character U+{ord(control[0]):04X} is not allowed in YAML", "remove it"
    )


def _remedy(what: str) -> str:
    if "tab" in what or "cannot start any token" in what:
        return "indent with spaces, and quote text that begins with a special character"
    if "mapping values are not allowed" in what:
        return "quote a value that holds ': ', or correct the indentation"
    if "duplicate anchor" in what:
        return "give each anchor a name of its own"
    if "undefined alias" in what:
        return "define the anchor before it is used"
    return "correct the YAML"
