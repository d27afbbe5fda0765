"""A build tag of tools.toml reaches the compiler, with a real one on a module of this test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from mldeploy import process
from mldeploy.progress import Quiet
from mldeploy.toolchain import caches, golang, store
from mldeploy.toolchain.installation import install
from mldeploy.toolchain.pins import load

SOURCES = {
    "go.mod": "module example.invalid/own\n\ngo 1.26.0\n",
    "main.go": "package main\n\nfunc main() { println(size) }\n",
    "large.go": '//go:build !small\n\npackage main\n\nconst size = "large"\n',
    "small.go": '//go:build small\n\npackage main\n\nconst size = "small"\n',
}
ENTRY = '[own]\nmodule = "own"\npackage = "."\ngroup = "test"\ntags = ["small"]\n'


def test_a_tag_decides_what_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    compiler, cache = golang.on_path(), request.config.cache
    assert compiler is not None, "this test needs a Go on PATH"
    assert cache is not None
    folder = tmp_path / "declared"
    (folder / "own").mkdir(parents=True)
    for name, text in SOURCES.items():
        (folder / "own" / name).write_text(text, "utf-8")
    (folder / "tools.toml").write_text(ENTRY, "utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GOPROXY", "off")
    given, warm = caches.environment, str(cache.mkdir("go-build"))
    monkeypatch.setattr(caches, "environment", lambda: {**given(), "GOCACHE": warm})
    pins = load(folder)
    assert install([], Quiet(), pins=pins) == ["own"]
    entry = store.find("own", pins.key(pins.pin("own")))
    assert entry is not None
    assert process.run([entry.program], timeout_s=30).stderr.strip() == "small"
