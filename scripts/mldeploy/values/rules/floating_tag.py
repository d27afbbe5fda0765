"""An image tag that may name another image tomorrow.

Tags such as `latest`, `main` or `1.2` move: two pods of one release may run different code, a rollback brings back
nothing, and nobody can say what ran. Outside the first environment a tag names one build, or a digest is set.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mldeploy.values.problem import Problem, at_value, dotted, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mldeploy.values.document import Keys, Value
    from mldeploy.values.layers import Layered

ID = "floating-tag"

_FLOATING = re.compile(
    r"(?:latest|main|master|head|trunk|edge|nightly|canary|stable|dev|devel|develop|development|snapshot|rolling"
    r"|current|test|testing|staging|prod|production|v?[0-9]{1,3}(?:\.[0-9]{1,4})?)(?:-(?:slim|alpine|bookworm))?",
    re.IGNORECASE,
)


def check(layered: Layered) -> Iterator[Problem]:
    """Look at the `tag` of every image, and at images written in one string."""
    if layered.release.is_first_environment:
        return
    yield from _visit(layered, layered.values, ())


def _visit(layered: Layered, value: Value, keys: Keys) -> Iterator[Problem]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict | list):
                yield from _visit(layered, item, (*keys, index))
    if not isinstance(value, dict):
        return
    tag = value.get("tag")
    if (
        isinstance(tag, str)
        and ("repository" in value or "image" in str(keys[-1:]).lower())
        and not value.get("digest")
    ):
        yield from _report(layered, (*keys, "tag"), tag)
    for name, child in value.items():
        if name == "image" and isinstance(child, str) and "@" not in child:
            yield from _report(layered, (*keys, name), child.rpartition(":")[2] if _has_tag(child) else "latest")
        elif isinstance(child, dict | list):
            yield from _visit(layered, child, (*keys, name))


def _has_tag(image: str) -> bool:
    return ":" in image.rpartition("/")[2]


def _report(layered: Layered, keys: Keys, tag: str) -> Iterator[Problem]:
    origin = layered.origin(keys)
    if origin is not None and _FLOATING.fullmatch(tag):
        yield at_value(
            origin.entry,
            f"'{dotted(keys)}' is {shown(tag)}, which may name another image tomorrow",
            "write the tag of one build, or set the digest",
        )
