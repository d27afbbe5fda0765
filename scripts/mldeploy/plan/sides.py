"""The two sides of a plan: a commit's files in a folder of their own, or the working tree as it is.

A commit is written into the user's cache with an index of its own; neither the checkout, nor its index, nor its
branches are touched. Git says whether a folder still is what the commit holds.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mldeploy import paths, process
from mldeploy.errors import MldeployError

WORKTREE = "worktree"
_TIMEOUT_S = 120.0
_KEPT_TREES = 12
_SHORT = 10


@dataclass(frozen=True)
class Side:
    """One side.

    Attributes:
        root: the deployment repository's root on this side.
        label: what people call it.
    """

    root: Path
    label: str


def open_sides(root: Path, base: str | None, head: str) -> tuple[Side, Side]:
    """Open both sides.

    Args:
        root: the checkout.
        base: a commit, branch or tag; None: where the head left the main branch.
        head: the same, or `WORKTREE`.

    Raises:
        MldeployError: no git repository, an unknown ref, or a clone too shallow to know it.
    """
    _git(
        root, "rev-parse", "--git-dir", failed=f"{root}: not a git repository", remedy="plan compares with git history"
    )
    head_commit = _commit(root, "HEAD" if head == WORKTREE else head)
    base_commit, base_name = _base(root, base, head_commit)
    return _extracted(root, base_commit, base_name), open_head(root, head)


def open_head(root: Path, head: str) -> Side:
    """Open one side: a commit, branch or tag, or `WORKTREE`.

    Raises:
        MldeployError: no git repository, an unknown ref, or a clone too shallow to know it.
    """
    return Side(root, "working tree") if head == WORKTREE else _extracted(root, _commit(root, head), head)


def _base(root: Path, base: str | None, head_commit: str) -> tuple[str, str]:
    if base is not None:
        return _commit(root, base), base
    for name in _main_branches():
        found = _try(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        if found:
            common = _try(root, "merge-base", found, head_commit)
            if not common:
                raise MldeployError(f"{name} and the head have no common commit here", remedy=_deeper(root, name))
            return common, f"merge base with {name}"
    raise MldeployError(
        f"no main branch to compare with: none of {', '.join(_main_branches())} exists here",
        remedy="name a base with --base",
    )


def _main_branches() -> list[str]:
    pull_request = os.environ.get("GITHUB_BASE_REF", "")
    return [*([f"origin/{pull_request}"] if pull_request else []), "origin/HEAD", "origin/main", "main", "master"]


def _commit(root: Path, name: str) -> str:
    found = _try(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if not found:
        raise MldeployError(f"{name!r} names no commit in this repository", remedy=_deeper(root, name))
    return found


def _deeper(root: Path, name: str) -> str:
    if _try(root, "rev-parse", "--is-shallow-repository") == "true":
        return f"this clone is shallow: run git fetch --unshallow, or fetch {name} (in Actions: fetch-depth: 0)"
    return "see git branch --all, or git fetch it first"


def _extracted(root: Path, commit: str, name: str) -> Side:
    prefix = _git(root, "rev-parse", "--show-prefix")
    tree = _git(root, "rev-parse", "--verify", f"{commit}:{prefix}")
    label = f"{name} ({commit[:_SHORT]})" if not commit.startswith(name) else commit[:_SHORT]
    folder = paths.cache() / "trees" / tree
    files, index = folder / "files", folder / "index"
    if not _whole(root, files, index):
        _extract(root, tree, folder)
        _prune(folder.parent)
    os.utime(folder)
    return Side(files, label)


def _whole(root: Path, files: Path, index: Path) -> bool:
    if not (files.is_dir() and index.is_file()):
        return False
    done = process.run(_in_tree(root, files, "diff-files", "--quiet"), timeout_s=_TIMEOUT_S, ok=(0, 1), env=_own(index))
    return done.returncode == 0


def _extract(root: Path, tree: str, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    shutil.rmtree(folder, ignore_errors=True)
    staging = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".new-"))
    try:
        (staging / "files").mkdir()
        argv = _in_tree(root, staging / "files", "read-tree", "--reset", "-u", tree)
        process.run(argv, timeout_s=_TIMEOUT_S, env=_own(staging / "index"))
        with suppress(OSError):  # another process was faster: its folder holds the same
            staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _in_tree(root: Path, files: Path, *arguments: str) -> list[str | Path]:
    git_dir = _git(root, "rev-parse", "--absolute-git-dir")
    return ["git", "--git-dir", git_dir, "--work-tree", files, *arguments]


def _own(index: Path) -> dict[str, str]:
    return {"GIT_INDEX_FILE": str(index)}


def _prune(folder: Path) -> None:
    trees = sorted(folder.iterdir(), key=lambda each: each.stat().st_mtime, reverse=True)
    for old in trees[_KEPT_TREES:]:
        shutil.rmtree(old, ignore_errors=True)


def _git(root: Path, *arguments: str, failed: str = "", remedy: str = "") -> str:
    try:
        return process.run(["git", *arguments], timeout_s=_TIMEOUT_S, cwd=root).stdout.strip()
    except process.ProcessError as error:
        if failed and error.returncode is not None:
            raise MldeployError(failed, remedy=remedy) from error
        raise


def _try(root: Path, *arguments: str) -> str:
    done = process.run(["git", *arguments], timeout_s=_TIMEOUT_S, cwd=root, ok=range(256))
    return done.stdout.strip() if done.returncode == 0 else ""
