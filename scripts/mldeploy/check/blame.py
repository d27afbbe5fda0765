"""Which values line causes a problem: the one without which the release renders and the problem is gone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from mldeploy.check.problem import Problem
from mldeploy.plan.objects import Manifested, manifested
from mldeploy.plan.reasons import Values
from mldeploy.render import Release, variants
from mldeploy.values import Keys
from mldeploy.values.leaves import leaves, without

# More keys than any values file here has; a release with more is not searched, its templates are named instead.
_MOST_KEYS = 400

Found = tuple[str, str, str, str, str]  # kind, namespace and name of the object, rule and message
Blamed = tuple[tuple[Path, int, int], Keys]  # path, line and column of a key, and the key
Judge = Callable[[Sequence[Sequence[Manifested]]], list[list[list[Problem]]]]


def identify(each: Manifested, problem: Problem) -> Found:
    """Name a problem of an object, so that it is recognized in another render."""
    return (each.kind, each.namespace, each.name, problem.rule, problem.message)


def blame(release: Release, values: Values, wanted: set[Found], judge: Judge) -> dict[Found, Blamed]:
    """Find the values line behind each of some problems of a release.

    Each key that a values file sets is left out once; the whole release is rendered and judged again without it.

    Args:
        release: the release that has the problems.
        values: the checkout's values.
        wanted: the problems (see `identify`).
        judge: judges groups of objects, as before; each render is a group.

    Returns:
        The place and the key for those problems that go away with one key. Others come from the chart.
    """
    layered = values.layered(release)
    if layered is None or release.special:
        return {}
    keys = [each for each, _ in leaves(layered.overrides)]
    if not keys or len(keys) > _MOST_KEYS:
        return {}
    rendered = variants(release, [without(layered.overrides, each) for each in keys])
    listed = [list(manifested(each.objects, release.namespace)) for each in rendered]
    found: dict[Found, Blamed] = {}
    for key, one, result, judged in zip(keys, listed, rendered, judge(listed), strict=True):
        still = {identify(each, problem) for each, problems in zip(one, judged, strict=True) for problem in problems}
        origin = layered.origin(key)
        if result.error or origin is None:
            continue
        place = origin.entry.key_position
        for problem in wanted - still - set(found):
            found[problem] = ((place.path, place.line, place.column), key)
    return found
