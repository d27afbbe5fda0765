"""A values file that no release reads.

A file with a misspelt name, or one that was left behind, looks like configuration and has no effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldeploy.values.document import Position
from mldeploy.values.problem import Problem, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mldeploy.values.lint import Subject

ID = "orphan-file"


def check(subject: Subject) -> Iterator[Problem]:
    """Compare the folders that releases read values from with what is in them."""
    known = {layer.path for layered in subject.releases for layer in layered.layers}
    known |= subject.unreadable
    folders = {path.parent for path in known if path.name != "Chart.yaml"} - {
        layered.release.chart for layered in subject.releases
    }
    for folder in sorted(folders):
        names = [path.name for path in known if path.parent == folder]
        for path in sorted((*folder.glob("*.yaml"), *folder.glob("*.yml"))):
            if path not in known:
                near = did_you_mean(path.name, names)
                yield Problem(
                    Position(path, 1, 1),
                    "no release reads this file",
                    f"rename it to {near}?" if near else "remove it, or name it in deployments/base.yaml",
                )
