"""Waits for conditions, with deadlines, saying what they waited for."""

from __future__ import annotations

import time
from collections.abc import Callable

from mldeploy.errors import MldeployError

_PAUSE_S = 0.02


def until(
    condition: Callable[[], bool], what: str, *, timeout_s: float, alive: Callable[[], str], pause_s: float = _PAUSE_S
) -> None:
    """Wait until `condition` holds.

    Args:
        condition: asked again and again.
        what: what is waited for, as a person reads it.
        timeout_s: the deadline.
        alive: "" while waiting still makes sense, otherwise why it does not.
        pause_s: between two questions.

    Raises:
        MldeployError: the deadline has passed, or waiting makes no sense any more.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if reason := alive():
            raise MldeployError(f"waiting for {what}: {reason}")
        if time.monotonic() > deadline:
            raise MldeployError(f"waiting for {what}: not so after {timeout_s:g} s")
        time.sleep(pause_s)
