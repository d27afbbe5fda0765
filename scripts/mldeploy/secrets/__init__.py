"""Secrets from a store: what it holds, whether the operator can fetch it, and how keys are changed while in use."""

from __future__ import annotations

from mldeploy.secrets.following import wake_stores
from mldeploy.secrets.rotate import retire, rotate
from mldeploy.secrets.seed import Seeded, seed

__all__ = ["Seeded", "retire", "rotate", "seed", "wake_stores"]
