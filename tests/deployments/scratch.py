"""A copy of this repository's deployments in a git repository of its own, to edit and to break."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from mldeploy import process

ROOT = Path(__file__).parents[2]
_COPIED = (
    "helmfile.yaml", "charts", "deployments", "values", "policies", "scripts/guard", "scripts/helmify",
    "ml-api-kustomize", "ml-batch-kustomize", "gitops", ".gitignore",
)  # fmt: skip


class Scratch:
    """A checkout in a folder of its own; `base` is the commit that equals this repository."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in _COPIED:
            source, target = ROOT / name, root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                # all.yaml is there only while a helmfile runs in this repository (scripts/helmify).
                shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("all.yaml"))
            else:
                shutil.copy2(source, target)
        self.git("init", "--quiet", "--initial-branch=main")
        self.base = self.commit("base")

    def git(self, *arguments: str) -> str:
        settings = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        identity = {
            f"GIT_{who}_{what}": "t@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        argv = ["git", *arguments]
        return process.run(argv, timeout_s=60, cwd=self.root, env={**settings, **identity}).stdout.strip()

    def commit(self, message: str) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def path(self, name: str) -> Path:
        return self.root / name

    def write(self, name: str, text: str | bytes) -> None:
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).write_bytes(text.encode() if isinstance(text, str) else text)

    def append(self, name: str, text: str) -> None:
        self.write(name, self.path(name).read_text("utf-8") + text)

    def replace(self, name: str, old: str, new: str) -> int:
        """Replace the one place where `old` is, and give its line."""
        text = self.path(name).read_text("utf-8")
        assert text.count(old) == 1, f"{name} has {text.count(old)} of {old!r}"
        self.write(name, text.replace(old, new))
        return text[: text.index(old)].count("\n") + 1
