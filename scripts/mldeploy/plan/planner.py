"""Plans: two states of the repository, or a state of it and a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mldeploy.errors import MldeployError
from mldeploy.plan.environment import compare_environment
from mldeploy.plan.live import Live
from mldeploy.plan.model import Plan
from mldeploy.plan.sides import open_head, open_sides
from mldeploy.plan.whole import rendered, stored
from mldeploy.render import Selector

ALL = Selector()


def plan(root: Path, *, base: str | None, head: str, wanted: Sequence[str] = (), selector: Selector = ALL) -> Plan:
    """Compare two states of the repository.

    Args:
        root: the checkout; it is only read.
        base: a commit, branch or tag; None: where the head left the main branch.
        head: the same, or `sides.WORKTREE`.
        wanted: environments; none: all that either side declares.
        selector: which releases.

    Returns:
        The plan. What one side cannot render is an error within it, beside all that could be compared.

    Raises:
        MldeployError: no such environment on either side, no such ref, no git repository, or a tool is missing.
    """
    sides = open_sides(root, base, head)
    with ThreadPoolExecutor(max_workers=2) as pool:
        before, after = pool.map(lambda side: rendered(side, wanted, selector), sides)
    names = list(dict.fromkeys([*after.environments, *before.environments]))
    if wanted and not names:
        raise MldeployError(after.error or before.error)
    return Plan(sides[0].label, sides[1].label, tuple(compare_environment(name, before, after) for name in names))


def plan_live(
    root: Path, live: Live, *, head: str, wanted: Sequence[str], selector: Selector = ALL, drift: bool = False
) -> Plan:
    """Compare a state of the repository with what a cluster has: what an apply would change there.

    Args:
        root: the checkout; it is only read.
        live: the cluster; it is only read.
        head: a commit, branch or tag, or `sides.WORKTREE`.
        wanted: the environments that this cluster holds; at least one.
        selector: which releases.
        drift: compare the live objects with what was deployed, too.

    Returns:
        The plan; releases that the helmfiles do not name are in it as removed, for somebody to look at.

    Raises:
        MldeployError: no such environment or ref, a tool is missing, or the cluster cannot be asked.
    """
    side = open_head(root, head)
    after = rendered(side, wanted, selector, include_crds=False)
    if after.error:
        raise MldeployError(after.error)
    before = stored(live, after, selector)
    compared = (compare_environment(name, before, after, live if drift else None) for name in after.environments)
    return Plan(before.side.label, side.label, tuple(compared))
