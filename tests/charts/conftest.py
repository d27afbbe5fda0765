"""Helm on this repository's charts, as fixtures."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from mldeploy import process
from mldeploy.toolchain import tool, tool_environment

ROOT = Path(__file__).parents[2]
Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def helm() -> Callable[..., process.Completed]:
    """Run helm in the repository's root; `ok` gives the return codes that are expected."""
    environment = tool_environment(ROOT)

    def run(*arguments: str | Path, ok: tuple[int, ...] = (0,)) -> process.Completed:
        return process.run([tool("helm"), *arguments], timeout_s=60, ok=ok, cwd=ROOT, env=environment)

    return run


@pytest.fixture(scope="session")
def template(helm: Callable[..., process.Completed]) -> Callable[..., str]:
    """Render a chart as release `test-<chart>` of namespace `test`, with values files and with values on top.

    The cluster has the kinds of Prometheus's operator.
    """

    @cache
    def rendered(words: tuple[str, ...]) -> str:
        return helm(*words).stdout

    def render(chart: str, *files: Path, **values: Any) -> str:
        layers = [word for file in files for word in ("--values", str(file))]
        sets = [word for key, value in values.items() for word in ("--set-json", f"{key}={json.dumps(value)}")]
        cluster = ("--namespace", "test", "--api-versions", "monitoring.coreos.com/v1")
        return rendered(("template", f"test-{chart}", f"charts/{chart}", *cluster, *layers, *sets))

    return render


@pytest.fixture(scope="session")
def manifests(template: Callable[..., str]) -> Render:
    """Render a chart and give its objects."""

    def render(chart: str, *files: Path, **values: Any) -> list[Manifest]:
        return [m for m in yaml.safe_load_all(template(chart, *files, **values)) if m]

    return render


@pytest.fixture(scope="session")
def one() -> Callable[..., Manifest]:
    """Pick the single object of a kind, and of a name where there are several."""

    def pick(found: list[Manifest], kind: str, **metadata: str) -> Manifest:
        fits = [m for m in found if m["kind"] == kind and _has(m["metadata"], metadata)]
        assert len(fits) == 1, f"{len(fits)} objects of kind {kind} {metadata} among {[m['kind'] for m in found]}"
        return fits[0]

    return pick


def _has(metadata: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
    return all(metadata.get(key) == value for key, value in wanted.items())
