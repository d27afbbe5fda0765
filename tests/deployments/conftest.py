"""helmfile on this repository, as fixtures; no cluster is needed, and none is reached."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mldeploy import paths, process
from mldeploy.toolchain import tool, tool_environment
from tests.deployments.scratch import Scratch

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture
def helmfile(tmp_path: Path) -> Callable[..., process.Completed]:
    """Run helmfile from the repository's root (`cwd`: from elsewhere), with a kubeconfig that leads nowhere."""
    environment = {**tool_environment(ROOT), "KUBECONFIG": str(tmp_path / "kubeconfig")}

    def run(*arguments: str | Path, ok: tuple[int, ...] = (0,), cwd: Path = ROOT, **env: str) -> process.Completed:
        words = [tool("helmfile"), "--quiet", "--no-color", *arguments]
        return process.run(words, timeout_s=120, ok=ok, cwd=cwd, env={**environment, **env})

    return run


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    """A copy of this repository's deployments in a git repository of its own, to edit and to break."""
    return Scratch(tmp_path / "checkout")


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder with the installed tools and nothing else in it."""
    tools = paths.cache() / "tools"
    cache = tmp_path / "cache" / "mldeploy"
    cache.mkdir(parents=True)
    (cache / "tools").symlink_to(tools)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent))
    return cache
