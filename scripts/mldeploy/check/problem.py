"""One thing that is wrong with one object."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """What is wrong, before it is known which file is to blame.

    Attributes:
        rule: the rule's ID: "schema", "pod-security", "api-removed", the name of a policy, ...
        message: one sentence without a full stop.
        path: a JSON pointer into the object; "" where the rule names none.
        warning: it works today.
    """

    rule: str
    message: str
    remedy: str = ""
    path: str = ""
    warning: bool = False
