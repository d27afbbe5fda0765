"""The linters of the field are content, and a packaged chart is complete."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mldeploy import process
from mldeploy.toolchain import tool, tool_environment

CHARTS = ("ml-api", "ml-batch")


@pytest.mark.parametrize("chart", CHARTS)
def test_helm_lint_strict(chart: str, helm: Callable[..., process.Completed]) -> None:
    assert "1 chart(s) linted, 0 chart(s) failed" in helm("lint", "--strict", f"charts/{chart}").stdout


def test_ct_lint(root: Path) -> None:
    """`helm lint --strict` with every fixture, and Chart.yaml against chart-testing's schema."""
    done = process.run(
        [tool("ct"), "lint", "--all", "--config", "ct.yaml"], timeout_s=120, cwd=root, env=tool_environment(root)
    )
    assert "All charts linted successfully" in done.stdout
    for chart in CHARTS:
        fixtures = list((root / "charts" / chart / "ci").glob("*-values.yaml"))
        assert fixtures
        assert all(str(fixture.relative_to(root)) in done.stdout for fixture in fixtures)


def test_yaml_is_tidy(root: Path) -> None:
    charts = [path for name in ("Chart.yaml", "values.yaml", "ci/*.yaml") for path in root.glob(f"charts/*/{name}")]
    assert len(charts) > 2 * len(CHARTS)
    # Templates are not YAML until they are rendered.
    deployments = [path for path in (root / "deployments").rglob("*.yaml") if "templates" not in path.parts]
    assert deployments
    places = [root / "values", root / "helmfile.yaml", *deployments, *charts]
    process.run(
        ["yamllint", "--strict", "-c", root / ".ct" / "lintconf.yaml", *places],
        timeout_s=60,
        env=tool_environment(root),
    )


@pytest.mark.parametrize("chart", CHARTS)
def test_package_holds_the_library_once(chart: str, helm: Callable[..., process.Completed], tmp_path: Path) -> None:
    helm("package", f"charts/{chart}", "--destination", tmp_path)
    (archive,) = tmp_path.glob("*.tgz")
    with tarfile.open(archive) as tar:
        names = tar.getnames()
    assert names.count(f"{chart}/charts/ml-common/Chart.yaml") == 1
    assert f"{chart}/values.schema.json" in names
    assert not [name for name in names if "/ci/" in name or name.endswith(".tgz")]
