"""Plans of a scratch checkout, and what they name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mldeploy.plan.model import Kind, Plan
from mldeploy.plan.planner import plan
from mldeploy.plan.sides import WORKTREE

if TYPE_CHECKING:
    from tests.deployments.scratch import Scratch


ENVIRONMENTS = ("dev", "staging", "prod")
EVERYWHERE = {f"{environment}-{service}" for environment in ENVIRONMENTS for service in ("ml-api", "ml-batch")}
API = {f"{environment}-ml-api" for environment in ENVIRONMENTS}
TEMPLATE = "charts/ml-api/templates/extra.yaml"


def planned(scratch: Scratch, **choices: Any) -> Plan:
    return plan(scratch.root, **{"base": scratch.base, "head": WORKTREE, **choices})


def names(found: Plan) -> set[str]:
    return {release.name for release in found.affected}


def kinds(found: Plan) -> set[Kind]:
    return {kind for release in found.affected for kind in release.kinds}


def places(found: Plan) -> set[str]:
    return {reason.place for release in found.affected for reason in release.reasons}
