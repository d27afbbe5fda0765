"""What a change to the repository changes in every environment, from renders; no cluster needed."""

from __future__ import annotations

from mldeploy.plan.model import Action, Kind, Plan, ReleaseChange
from mldeploy.plan.planner import plan
from mldeploy.plan.sides import WORKTREE

__all__ = ["WORKTREE", "Action", "Kind", "Plan", "ReleaseChange", "plan"]
