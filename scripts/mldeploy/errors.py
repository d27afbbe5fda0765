"""The one base exception, and the exit codes that every command shares."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process's exit code tells a script or a CI job."""

    CLEAN = 0
    FINDINGS = 1
    ERROR = 2
    REFUSED = 3
    INTERRUPTED = 130


class MldeployError(Exception):
    """A failure that the user can act on; caught once, in `cli/main.py`, and printed without a traceback.

    Args:
        message: where and what, in one line; for a file `path:line:column: what is wrong`.
        remedy: what to do about it, in the imperative, without a full stop.
        exit_code: what the process ends with.
    """

    exit_code: ExitCode = ExitCode.ERROR

    def __init__(self, message: str, *, remedy: str = "", exit_code: ExitCode | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        if exit_code is not None:
            self.exit_code = exit_code

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


class RefusedError(MldeployError):
    """Nothing was changed, on purpose: a lock is held, or the context is not the environment's."""

    exit_code = ExitCode.REFUSED


class CheckFailedError(MldeployError):
    """A check, test or lint ran to its end and found something."""

    exit_code = ExitCode.FINDINGS
