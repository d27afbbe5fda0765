"""Work beside the main thread, whose error is not lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Task(Generic[Result]):
    """A piece of work in a thread of its own; what it gives or raises comes out where its end is waited for."""

    def __init__(self, work: Callable[[], Result]) -> None:
        self._error: BaseException | None = None
        self._results: list[Result] = []
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    def _run(self, work: Callable[[], Result]) -> None:
        try:
            self._results.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again by result()
            self._error = error

    def result(self) -> Result:
        """Wait for the end, and give or raise what the work gave or raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._results[0]

    def settle(self) -> None:
        """Wait for the end, whatever it is."""
        with suppress(BaseException):
            self.result()
