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

    from mldeploy.values.document import Keys
    from mldeploy.values.layered import Layered

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
    for keys, mapping in layered.mappings:
        tag, image = mapping.get("tag"), mapping.get("image")
        is_image = "repository" in mapping or "image" in str(keys[-1:]).lower()
        if isinstance(tag, str) and is_image and not mapping.get("digest"):
            yield from _report(layered, (*keys, "tag"), tag)
        if isinstance(image, str) and "@" not in image:
            yield from _report(layered, (*keys, "image"), image.rpartition(":")[2] if _has_tag(image) else "latest")


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
