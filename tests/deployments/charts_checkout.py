"""A repository with this one's charts in its only commit, for tests of what is published."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from mldeploy.process import run

_ROOT = Path(__file__).parents[2]


def git(folder: Path, *words: str, when: str = "2026-01-02T03:04:05+00:00") -> None:
    """Run git with nobody's configuration, at a time of its own."""
    env = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when, "GIT_CONFIG_GLOBAL": os.devnull}
    names = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
    run(["git", *names, *words], timeout_s=60, cwd=folder, env=env)


def make_checkout(root: Path) -> Path:
    """Make the repository in a folder that is not there yet."""
    shutil.copytree(_ROOT / "charts", root / "charts", symlinks=True)
    (root / "deployments").mkdir()
    (root / "deployments" / "base.yaml").touch()
    git(root, "init", "--quiet")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "charts")
    return root
