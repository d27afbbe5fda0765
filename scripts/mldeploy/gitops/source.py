"""What is published: a commit's files, or the working tree where somebody asks for it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mldeploy import paths
from mldeploy.errors import MldeployError, RefusedError
from mldeploy.gitops.git import attempt, commit_of, git
from mldeploy.plan.sides import WORKTREE, Side, open_head

_SHOWN = 3


@dataclass(frozen=True)
class Source:
    """What is rendered.

    Attributes:
        side: its files.
        commit: the commit that they are of.
        modified: they differ from it.
    """

    side: Side
    commit: str
    modified: bool


def open_source(root: Path, head: str | None, leaving_out: Path | None = None) -> Source:
    """Open what is to be published.

    Args:
        root: the checkout.
        head: a commit, branch or tag; `WORKTREE`; None: the checked-out commit, if the working tree is equal to it.
        leaving_out: a folder whose changes do not count, for it is written to.

    Raises:
        RefusedError: the working tree differs from the commit, and nobody said which is meant.
        MldeployError: no git repository, or an unknown ref.
    """
    if attempt(root, "rev-parse", "--git-dir").returncode != 0:
        raise MldeployError(
            f"{root}: not a git repository", remedy="what is published names the commit that it is from"
        )
    edited = _edited(root, leaving_out) if head in {None, WORKTREE} else []
    if head is None and edited:
        listed = ", ".join(edited[:_SHOWN]) + (", ..." if len(edited) > _SHOWN else "")
        raise RefusedError(
            f"the working tree differs from the commit that would be published: {listed}",
            remedy="commit it, or publish the commit without it: --head HEAD",
        )
    side = open_head(root, head or "HEAD")
    return Source(side, commit_of(root, "HEAD" if head in {None, WORKTREE} else head or "HEAD"), bool(edited))


def is_older(root: Path, commit: str, than: str) -> bool:
    """Say whether a commit is among the ancestors of another; no, where this clone does not know both."""
    return commit != than and attempt(root, "merge-base", "--is-ancestor", commit, than).returncode == 0


def _edited(root: Path, leaving_out: Path | None) -> list[str]:
    ours = [paths.state(root), *([leaving_out] if leaving_out is not None else [])]
    relative = [os.path.relpath(each.resolve(), root.resolve()) for each in ours]
    without = [f":(exclude){each}" for each in relative if not each.startswith("..")]
    listed = git(root, "status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames", "--", ".", *without)
    return [entry[3:] for entry in listed.split("\0") if entry]
