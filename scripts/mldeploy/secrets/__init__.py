"""Secrets from a store: what dev's store holds."""

from __future__ import annotations

from mldeploy.secrets.seed import SEEDED, Seeded, seed

__all__ = ["SEEDED", "Seeded", "seed"]
