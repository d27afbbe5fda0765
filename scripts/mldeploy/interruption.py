"""Keeps an interruption for the moment at which it can be cleaned up after."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any


class Held:
    """Ctrl-C and SIGTERM, kept from the moment this is made until `release`.

    Between the start of a process and the moment at which its starter knows it, an exception would leave it running
    with nobody to end it. Other threads than the main one never see these signals; there this does nothing.
    """

    def __init__(self) -> None:
        self._caught: list[int] = []
        self._before: dict[int, Callable[[int, FrameType | None], Any]] = {}
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            before = signal.getsignal(number)
            # What is ignored, or ends this process at once, raises nothing.
            if callable(before):
                self._before[number] = before
                signal.signal(number, self._keep)

    def release(self) -> None:
        """Let signals through again, and first those that came meanwhile.

        Raises:
            KeyboardInterrupt: one came; or whatever else its handler raises.
        """
        for number, before in self._before.items():
            signal.signal(number, before)
        for number in self._caught:
            signal.raise_signal(number)

    def _keep(self, number: int, _frame: FrameType | None) -> None:
        self._caught.append(number)
