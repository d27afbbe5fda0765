"""What helmfile makes of its state files for an environment: `helmfile build` and `list`, cached by what they read."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from mldeploy import atomic, paths, process
from mldeploy.toolchain import tool, tool_environment

_FORMAT = 1
# Stands for the checkout's folder in cached answers, which checkouts with equal files share.
_ROOT = "@checkout@"
_TIMEOUT_S = 120.0
_VERIFYING = threading.Lock()
# Template functions whose result is not decided by the state files, and secrets, which must not stay in a file: a state
# that has one of them is built every time.
_OUTSIDE = re.compile(
    r"\{\{(?:(?!\}\}).)*\b(?:env|requiredEnv|expandenv|exec|envExec|execWithoutFiles?|readFile|readDir|readDirEntries|isFile"
    r"|isDir|fetchSecretValue|expandSecretRefs|getHostByName|now|date\w*|rand\w*|uuidv4|gen\w+)\b"
    r"|ref\+|^[ \t-]*secrets:",
    re.DOTALL | re.MULTILINE,
)


def helmfile(root: Path, arguments: list[str]) -> str:
    """Run helmfile in a checkout and give what it prints.

    Raises:
        ProcessError: helmfile failed; its message says why.
        MldeployError: a tool is not installed.
    """
    argv: list[str | Path] = [tool("helmfile"), "--quiet", "--no-color", *arguments]
    return process.run(argv, timeout_s=_TIMEOUT_S, cwd=root, env=_environment(root)).stdout


def _environment(root: Path) -> dict[str, str]:
    # Several threads start helmfile at once: one of them verifies the tools.
    with _VERIFYING:
        return _verified_environment(root, paths.cache())


@cache
def _verified_environment(root: Path, _tools: Path) -> dict[str, str]:
    return tool_environment(root)


def state(root: Path, file: Path, environment: str) -> list[dict[str, Any]]:
    """Give the built state, one mapping for each helmfile that `file` leads to; every scalar is text.

    Args:
        root: the checkout.
        file: the helmfile, relative to the checkout.
        environment: one that it declares.

    Raises:
        MldeployError: helmfile refuses its files, or a tool is not installed.
    """
    documents = yaml.load_all(_answer(root, file, environment, "build"), Loader=yaml.CBaseLoader)
    return [document for document in documents if isinstance(document, dict)]


def enabled(root: Path, file: Path, environment: str) -> set[str]:
    """Name the releases whose `condition` holds, which only helmfile itself evaluates.

    Raises:
        MldeployError: as for `state`.
    """
    listed = json.loads(_answer(root, file, environment, "list", "--output", "json"))
    return {release["name"] for release in listed if release["enabled"]}


def is_closed(root: Path, file: Path) -> bool:
    """Say whether the same files always make the same state: none of them asks the world outside, or for secrets."""
    return not _reads_outside(_sources(root, file))


def _reads_outside(sources: dict[str, bytes]) -> bool:
    return any(_OUTSIDE.search(content.decode("utf-8", errors="replace")) for content in sources.values())


def _answer(root: Path, file: Path, environment: str, *verb: str) -> str:
    sources = _sources(root, file)
    if _reads_outside(sources):
        return _ask(root, file, environment, *verb)
    question = {
        "format": _FORMAT,
        "helmfile": str(tool("helmfile").resolve()),
        "settings": {name: value for name, value in os.environ.items() if name.startswith("HELMFILE_")},
        "file": str(file),
        "environment": environment,
        "verb": verb,
        "sources": {name: hashlib.sha256(content).hexdigest() for name, content in sources.items()},
    }
    key = hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()
    entry = paths.cache() / "states" / key[:2] / key[2:]
    known = _read(root, entry)
    if known is not None:
        return known
    text = _ask(root, file, environment, *verb)
    # Only the built state says which other files it was made from; the same ones decide what is listed.
    state_text = text if verb == ("build",) else _answer(root, file, environment, "build")
    _write(root, entry, text, state_text)
    return text


def _ask(root: Path, file: Path, environment: str, *verb: str) -> str:
    return helmfile(root, ["--file", str(file), "--environment", environment, *verb])


def _sources(root: Path, file: Path) -> dict[str, bytes]:
    files = (path for path in (root / "deployments").rglob("*") if _makes_state(path.relative_to(root)))
    found = {root / file, *(path for path in files if not (path.parent / "Chart.yaml").is_file())}
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(found) if path.is_file()}


def _makes_state(path: Path) -> bool:
    """Leave out what only releases are made of: it is no state, and scripts/helmify changes it while others read."""
    return not {"values", "templates"} & set(path.parts[:-1])


def _read(root: Path, entry: Path) -> str | None:
    """Give a cached state; None when there is none, it is damaged, or a file that it was made from has changed."""
    try:
        stored = json.loads(entry.read_text("utf-8"))
        text: str = stored["text"]
        sound = hashlib.sha256(text.encode()).hexdigest() == stored["digest"]
        fresh = all(_digest(root / name) == digest for name, digest in stored["inputs"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return text.replace(_ROOT, str(root)) if sound and fresh else None


def _write(root: Path, entry: Path, text: str, state_text: str) -> None:
    documents = yaml.load_all(state_text, Loader=yaml.CBaseLoader)
    inputs = {name: _digest(root / name) for document in documents for name in _inputs(document)}
    text = text.replace(str(root), _ROOT)
    stored = {"digest": hashlib.sha256(text.encode()).hexdigest(), "inputs": inputs, "text": text}
    # A cache that cannot be written costs time only.
    with suppress(OSError):
        entry.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        atomic.write(entry, json.dumps(stored))


def _inputs(document: Any) -> list[str]:
    """List the files that a state was made from beside those of `deployments/`, relative to its own folder."""
    if not isinstance(document, dict):
        return []
    folder = Path(str(document.get("filepath", ""))).parent
    environments = document.get("environments") or {}
    named = [
        value
        for environment in environments.values()
        if isinstance(environment, dict)
        for key in ("values", "secrets")
        for value in environment.get(key) or []
    ]
    named += document.get("bases") or []
    return [str(folder / name) for name in named if isinstance(name, str)]


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
