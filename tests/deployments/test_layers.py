"""The layers that Python reads from deployments/base.yaml are the ones that helmfile and helm use."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mldeploy import process
from mldeploy.toolchain import tool, tool_environment
from mldeploy.values.layers import Workspace
from mldeploy.values.leaves import leaves
from mldeploy.values.reader import read

ROOT = Path(__file__).parents[2]
WORKSPACE = Workspace(ROOT)
RELEASES = [release for environment in WORKSPACE.environments for release in WORKSPACE.releases(environment)]


def test_the_environments_are_those_of_helmfile(helmfile: Callable[..., process.Completed]) -> None:
    assert WORKSPACE.environments == ("dev", "staging", "prod")
    for environment in WORKSPACE.environments:
        listed = json.loads(helmfile("--environment", environment, "list", "--output", "json").stdout)
        ours = WORKSPACE.releases(environment)
        assert [(row["name"], row["namespace"]) for row in listed] == [(r.name, r.namespace) for r in ours]
        for row, release in zip(listed, ours, strict=True):
            labels = dict(pair.split(":", 1) for pair in row["labels"].split(","))
            assert {name: value for name, value in labels.items() if name in release.labels} == release.labels
            assert Path(row["chart"]).name == release.chart.name


@pytest.mark.parametrize("environment", WORKSPACE.environments)
def test_merged_files_are_what_helmfile_writes(
    environment: str, helmfile: Callable[..., process.Completed], tmp_path: Path
) -> None:
    helmfile(
        "--environment",
        environment,
        "write-values",
        "--output-file-template",
        f"{tmp_path}/{{{{ .Release.Name }}}}.yaml",
    )
    releases = WORKSPACE.releases(environment)
    assert sorted(path.stem for path in tmp_path.glob("*.yaml")) == sorted(release.name for release in releases)
    for release in releases:
        assert read(tmp_path / f"{release.name}.yaml").values == WORKSPACE.layered(release).overrides


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)
def test_merged_values_are_what_templates_see(release: Any, tmp_path: Path) -> None:
    chart = tmp_path / "chart"
    shutil.copytree(release.chart, chart, symlinks=False)
    (chart / "templates" / "seen.yaml").write_text("seen: {{ .Values | toJson | quote }}\n")
    files = [word for file in release.files for word in ("--values", file)]
    done = process.run(
        [tool("helm"), "template", release.name, chart, *files, "--show-only", "templates/seen.yaml"],
        timeout_s=60,
        env=tool_environment(ROOT),
    )
    seen = json.loads(json.loads(done.stdout.split("seen: ", 1)[1]))
    assert WORKSPACE.layered(release).values == seen


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)
def test_every_leaf_knows_who_set_it(release: Any) -> None:
    layered = WORKSPACE.layered(release)
    subcharts = {subchart.name for subchart in layered.defaults.subcharts}
    found = [(keys, value) for keys, value in leaves(layered.values) if keys[0] not in subcharts]
    assert len(found) > 30
    for keys, value in found:
        origin = layered.origin(keys)
        assert origin is not None, keys
        assert origin.entry.value == value, keys
        winner = [layer.path for layer in layered.layers].index(origin.entry.position.path)
        # No higher layer sets the key, and each overridden entry stands in a lower one.
        assert all(layer.find(keys) is None for layer in layered.layers[winner + 1 :])
        heights = [[layer.path for layer in layered.layers].index(e.position.path) for e in origin.overrode]
        assert all(height < winner for height in heights)
        # The mark is where the file says so: the key's name stands at the key's mark.
        if origin.entry.key_node is not None:
            line = origin.entry.position.path.read_text().split("\n")[origin.entry.key_position.line - 1]
            assert line[origin.entry.key_position.column - 1 :].startswith(origin.entry.key_node.value)
