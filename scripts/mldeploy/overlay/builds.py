"""What kustomize builds of files, and the objects in it: asked once, since the same files always make the same.

A kustomize process takes a tenth of a second where there are patches, and a change of values touches few overlays. The
answers are in the user's cache, which all checkouts share, by the content of the files and the programs that answered.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mldeploy import atomic, paths
from mldeploy.overlay.kustomize import build_files
from mldeploy.render import RenderedObject, parse
from mldeploy.toolchain import tool

_FORMAT = 1
_WORKERS = 2
_DAY_S = 24 * 3600.0
_KEPT_S = 30 * _DAY_S


@dataclass(frozen=True)
class Question:
    """Files by path, as they are on disk or will be, and the folder of them that is to be built."""

    files: Mapping[str, str]
    folder: str


@dataclass(frozen=True)
class Built:
    """What kustomize prints, and the objects in it."""

    text: str
    objects: tuple[RenderedObject, ...]


def builds(questions: Sequence[Question]) -> list[Built]:
    """Build folders, in the order in which they are asked for.

    Raises:
        MldeployError: kustomize is missing, is not the pinned one, or refuses a folder.
    """
    folder = paths.cache() / "builds"
    makers = [str(tool(name).resolve()) for name in ("kustomize", "mldeploy-render")]
    keys = [_key(each, makers) for each in questions]
    known = {key: found for key in keys if (found := _read(folder, key)) is not None}
    missing = {key: each for key, each in zip(keys, questions, strict=True) if key not in known}
    if missing:
        with ThreadPoolExecutor(max_workers=_WORKERS) as pool:
            texts = list(pool.map(lambda each: build_files(each.files, each.folder), missing.values()))
        for key, text, objects in zip(missing, texts, parse(texts), strict=True):
            known[key] = Built(text, objects)
            _write(folder, key, known[key])
        _prune(folder)
    return [known[key] for key in keys]


def _key(question: Question, makers: Sequence[str]) -> str:
    asked = {"format": _FORMAT, "makers": makers, "files": dict(question.files), "folder": question.folder}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _read(folder: Path, key: str) -> Built | None:
    """Give what is known; None where nothing is, or it is damaged."""
    path = _place(folder, key)
    try:
        digest, _, body = path.read_text("utf-8").partition("\n")
        if hashlib.sha256(body.encode()).hexdigest() != digest:
            return None
        if time.time() - path.stat().st_mtime > _DAY_S:
            os.utime(path)  # so that what is used is kept
    except (OSError, UnicodeDecodeError):
        return None
    stored: dict[str, Any] = json.loads(body)
    return Built(stored["text"], tuple(RenderedObject("", data) for data in stored["objects"]))


def _write(folder: Path, key: str, built: Built) -> None:
    body = json.dumps({"text": built.text, "objects": [each.data for each in built.objects]})
    path = _place(folder, key)
    # A cache that cannot be written costs time only.
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        atomic.write(path, f"{hashlib.sha256(body.encode()).hexdigest()}\n{body}")


def _prune(folder: Path) -> None:
    """Remove, once a day at most, what nobody has used for a month."""
    stamp, now = folder / "pruned", time.time()
    with suppress(OSError):
        if stamp.exists() and now - stamp.stat().st_mtime < _DAY_S:
            return
        stamp.touch()
        for path in folder.glob("??/*"):
            if now - path.stat().st_mtime > _KEPT_S:
                path.unlink()


def _place(folder: Path, key: str) -> Path:
    return folder / key[:2] / key[2:]
