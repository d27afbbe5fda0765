"""A key that the chart does not have.

Helm ignores a misspelt key where the schema allows it and refuses to render where it does not; either way it does
nothing. The nearest key that the chart has is named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldeploy.values.problem import Problem, at_key, did_you_mean, dotted, replace_scalar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mldeploy.values.layered import Layered

ID = "unknown-key"


def check(layered: Layered) -> Iterator[Problem]:
    """Report keys that the schema's `additionalProperties: false` refuses, where they are set."""
    for error in layered.schema_errors:
        if error.keyword not in {"additionalProperties", "unevaluatedProperties"}:
            continue
        for name in error.details["unexpected"]:
            origin = layered.origin((*error.keys, name))
            if origin is None:
                continue
            near = did_you_mean(name, error.known)
            where = f" in '{dotted(error.keys)}'" if error.keys else ""
            yield at_key(
                origin.entry,
                f"there is no key '{name}'{where}",
                f"did you mean '{near}'?" if near else "remove it, or add it to the chart",
                fix=replace_scalar(origin.entry, near, key=True) if near and near.lower() == name.lower() else (),
            )
