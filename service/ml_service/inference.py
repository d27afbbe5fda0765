"""Runs work off the event loop: so many at once, so many waiting, and no more."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class BusyError(Exception):
    """As much waits as may wait; trying again later is better than waiting longer."""


class InferencePool:
    """A bounded pool of threads behind a bounded queue.

    Args:
        workers: how much runs at once.
        queue: how much may wait besides.
    """

    def __init__(self, *, workers: int, queue: int) -> None:
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="inference")
        self._workers = workers
        self._limit = workers + queue
        self._held = 0

    @property
    def waiting(self) -> int:
        """How much waits now."""
        return max(0, self._held - self._workers)

    async def run(self, work: Callable[[], T]) -> T:
        """Run `work` in a thread, in the caller's context, and give what it returns.

        Raises:
            BusyError: see there. And whatever `work` raises.
        """
        if self._held >= self._limit:
            raise BusyError
        self._held += 1
        try:
            context = contextvars.copy_context()
            return await asyncio.get_running_loop().run_in_executor(self._executor, context.run, work)
        finally:
            self._held -= 1

    def close(self) -> None:
        """Let the threads end once they are idle."""
        self._executor.shutdown(wait=False)
