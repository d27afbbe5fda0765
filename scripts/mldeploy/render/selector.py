"""Helmfile's release selectors: `service=ml-api,tier!=batch`, several of which select what any of them matches."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mldeploy.errors import MldeployError

_TERM = re.compile(r"(?P<label>[^=!,\s]+)(?P<operator>!=|=)(?P<value>[^=!,]+)")


@dataclass(frozen=True)
class Selector:
    """A selection of releases by label; `name`, `namespace` and `chart` count as labels, as they do for helmfile.

    Attributes:
        groups: a release is selected when all terms of one group match it; no group selects everything.
    """

    groups: tuple[tuple[tuple[str, str, str], ...], ...] = ()

    @classmethod
    def parse(cls, texts: Sequence[str]) -> Selector:
        """Read what stands after each `--selector`.

        Raises:
            MldeployError: a term is not `label=value` or `label!=value`.
        """
        return cls(tuple(tuple(_term(text, part) for part in text.split(",")) for text in texts))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Say whether a release with these labels is selected."""
        if not self.groups:
            return True
        return any(
            all((labels.get(label) == value) == (operator == "=") for label, operator, value in group)
            for group in self.groups
        )


def _term(text: str, part: str) -> tuple[str, str, str]:
    match = _TERM.fullmatch(part.strip())
    if match is None:
        raise MldeployError(
            f"--selector {text!r}: {part!r} is no selector",
            remedy="write label=value or label!=value, such as service=ml-api",
        )
    return match["label"], match["operator"], match["value"]
