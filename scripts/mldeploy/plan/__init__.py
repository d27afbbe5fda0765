"""What a change to the repository changes in every environment, from renders; and what a cluster has of it."""

from __future__ import annotations

from mldeploy.plan.live import Live
from mldeploy.plan.model import Action, Kind, Plan, ReleaseChange
from mldeploy.plan.planner import plan, plan_live
from mldeploy.plan.sides import WORKTREE

__all__ = ["WORKTREE", "Action", "Kind", "Live", "Plan", "ReleaseChange", "plan", "plan_live"]
