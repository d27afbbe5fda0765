"""What was built the last time, kept with the content of everything that it was made from: a hook has 0.3 s.

Like a compiler's dependency file: the first build says what it read, and the next one only asks whether all of it still
is what it was. Nothing but the standard library is imported here.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
# What decides, besides the sources, what is built: this program, and the versions of the tools.
_MAKERS = (_PACKAGE / "overlay", _PACKAGE / "render", _PACKAGE / "plan", _PACKAGE.parent / "toolchain" / "tools.toml")


def recall(file: Path) -> str | None:
    """Give what was built; None where nothing was, or something that it was made from has changed."""
    try:
        stored = json.loads(file.read_text("utf-8"))
        text: str = stored["text"]
        fresh = all(_digest(Path(path)) == digest for path, digest in stored["inputs"].items())
        sound = hashlib.sha256(text.encode()).hexdigest() == stored["digest"]
        same = stored["settings"] == _settings()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return text if fresh and sound and same else None


def remember(file: Path, text: str, inputs: Iterable[Path]) -> None:
    """Keep what was built from some files and folders."""
    stored = {
        "digest": hashlib.sha256(text.encode()).hexdigest(),
        "inputs": {str(path): _digest(path) for path in (*inputs, *_MAKERS)},
        "settings": _settings(),
        "text": text,
    }
    handle, temporary = tempfile.mkstemp(dir=file.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        json.dump(stored, out)
    with suppress(FileNotFoundError):
        Path(temporary).replace(file)


def _settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("HELMFILE_")}


def _digest(path: Path) -> str:
    """Hash a file, or every file of a folder with its name, links followed; "" where there is none."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    lines = []
    for folder, folders, files in os.walk(path, followlinks=True):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in sorted(files):
            one = Path(folder) / name
            # What is made here is no input of itself.
            if not one.match("deployments/kustomize/*/templates/all.yaml"):
                lines.append(f"{one.relative_to(path)} {hashlib.sha256(one.read_bytes()).hexdigest()}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest() if lines else ""
