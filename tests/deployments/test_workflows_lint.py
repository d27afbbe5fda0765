"""actionlint, with shellcheck for the scripts, has nothing to say about the workflows."""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path

from mldeploy.process import Argument, Completed, run
from mldeploy.toolchain import tool

ROOT = Path(__file__).parents[2]


def actionlint(folder: Path) -> Completed:
    shellcheck = shutil.which("shellcheck", path=sysconfig.get_path("scripts"))
    assert shellcheck
    argv: list[Argument] = [tool("actionlint"), "-no-color", "-shellcheck", shellcheck, "-pyflakes", ""]
    return run(argv, timeout_s=120, ok=(0, 1), cwd=folder)


def test_the_workflows_are_clean() -> None:
    done = actionlint(ROOT)
    assert done.returncode == 0, done.stdout


def test_it_does_find_something(tmp_path: Path) -> None:
    copy = tmp_path / ".github"
    shutil.copytree(ROOT / ".github", copy)
    (tmp_path / ".git").mkdir()
    broken = copy / "workflows" / "deploy-environment.yaml"
    text = broken.read_text("utf-8")
    assert text.count("steps.deployed.outputs.commit") == 3
    broken.write_text(text.replace("id: deployed", "id: other").replace("# shellcheck disable=SC2086", "#"), "utf-8")
    done = actionlint(tmp_path)
    assert done.returncode == 1
    assert 'property "deployed" is not defined' in done.stdout
    assert "SC2086" in done.stdout
