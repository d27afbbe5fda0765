"""Where the process is in its life: loading, ready or draining."""

from __future__ import annotations

from typing import Literal

from ml_service.model import Model

State = Literal["loading", "ready", "draining"]


class Lifecycle:
    """Set by the server, read by `/readyz` and by each request."""

    def __init__(self) -> None:
        self.model: Model | None = None
        self.draining = False

    @property
    def state(self) -> State:
        """Give the state; draining is final."""
        if self.draining:
            return "draining"
        return "ready" if self.model else "loading"
