"""Installing, with real compilers on small modules of these tests' own: only a missing Go is fetched, nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mldeploy.progress import Quiet
from mldeploy.toolchain import caches, golang
from mldeploy.toolchain.pins import Pins, load
from tests.unit.installing.support import MAIN, TOOLS, write


@pytest.fixture(scope="session")
def warm_cache(request: pytest.FixtureRequest) -> Path:
    """Go's runtime, compiled once and kept between runs: what is compiled is not what is tested here."""
    cache = request.config.cache
    assert cache is not None
    return cache.mkdir("go-build")


@pytest.fixture(scope="session")
def compiler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[golang.Go]:
    """The machine's Go, or one that is fetched as `mldeploy tools install` does, and removed again."""
    cache = tmp_path_factory.mktemp("go")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        found = golang.provide(Quiet())
    yield found
    shutil.rmtree(cache)


@pytest.fixture
def pins(tmp_path: Path, warm_cache: Path, compiler: golang.Go, monkeypatch: pytest.MonkeyPatch) -> Pins:
    """Two modules, three programs, an empty cache, and a PATH with Go and nothing of the same names."""
    declared = tmp_path / "declared"
    write(declared / "tools.toml", TOOLS)
    for module in ("alpha", "beta"):
        write(declared / module / "go.mod", f"module example.invalid/{module}\n\ngo 1.26.0\n")
    write(declared / "alpha" / "main.go", MAIN.replace("{name}", "alpha"))
    write(declared / "beta" / "cmd" / "beta" / "main.go", MAIN.replace("{name}", "beta"))
    write(declared / "beta" / "cmd" / "beta-plugin" / "v3" / "main.go", MAIN.replace("{name}", "plugin"))
    write(declared / "beta" / "plugin.yaml", "name: beta\n")
    write(declared / "beta" / "manifests" / "base" / "rbac.yaml", "kind: Role\n")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{compiler.program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("GOPROXY", "off")
    given = caches.environment
    monkeypatch.setattr(caches, "environment", lambda: {**given(), "GOCACHE": str(warm_cache)})
    return load(declared)
