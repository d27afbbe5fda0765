"""How a verb reports long steps without knowing who watches; `report/progress.py` draws them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Step(Protocol):
    """One step under way."""

    def update(self, detail: str, *, done: float | None = None) -> None:
        """Say what happens now, and how far the step is (`done`: 0.0 to 1.0, where that is known)."""


class Progress(Protocol):
    """Where a verb announces its steps."""

    def step(self, title: str, *, key: str | None = None) -> AbstractContextManager[Step]:
        """Open a step; leaving the block ends it, by an exception too.

        Args:
            title: what is done, as a person reads it ("Building helm 4.3.1").
            key: names the step between runs, so that the watcher can tell how long it took last time.
        """

    def note(self, text: str) -> None:
        """Print one line that is no step."""


class _QuietStep:
    def update(self, detail: str, *, done: float | None = None) -> None:
        pass


class Quiet:
    """Progress that nobody watches: the default in tests and hooks."""

    @contextmanager
    def step(self, title: str, *, key: str | None = None) -> Iterator[Step]:  # noqa: ARG002 - the protocol's
        """See `Progress.step`."""
        yield _QuietStep()

    def note(self, text: str) -> None:
        """See `Progress.note`."""
