"""What a check found: plain data that every renderer understands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Related:
    """Another place that explains a finding, such as the default that a value overrode."""

    path: PurePath
    line: int
    column: int
    message: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, where, and what to do about it.

    Attributes:
        path: the file, relative to the checkout where it is inside.
        line, column: where the offending text begins; from 1, the column in characters.
        message: what is wrong, one sentence without a full stop.
        rule: the rule's ID.
        remedy: what to do, in the imperative, without a full stop; may be empty.
        severity: how it is shown; both fail the check.
        end_column: one past the offending text on that line; 0: unknown.
        related: places that explain it.
    """

    path: PurePath
    line: int
    column: int
    message: str
    rule: str
    remedy: str = ""
    severity: Severity = "error"
    end_column: int = 0
    related: tuple[Related, ...] = ()

    def __str__(self) -> str:
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{self.path}:{self.line}:{self.column}: {self.message} ({self.rule}){remedy}"


@dataclass(frozen=True)
class Report:
    """What one run of a check has to say.

    Attributes:
        tool: the command, such as `mldeploy lint`.
        findings: in the order in which they are shown.
        checked: how many things were checked, and what they are ("files", "checks").
        seconds: how long it took.
        rules: rule ID -> its documentation, for the rules that findings name.
    """

    tool: str
    findings: tuple[Finding, ...]
    checked: tuple[int, str]
    seconds: float
    rules: Mapping[str, str] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """The last line of the text output."""
        what = f"{_count(*self.checked)} in {self.seconds:.2f} s"
        if not self.findings:
            return f"no findings in {what}"
        files = len({finding.path for finding in self.findings})
        return f"{_count(len(self.findings), 'findings')} in {_count(files, 'files')}; checked {what}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun if number != 1 else noun.removesuffix('s')}"
