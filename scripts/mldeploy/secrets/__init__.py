"""Secrets from a store: the operator that fetches them, made ready without a network, and what dev's store holds."""

from __future__ import annotations

from mldeploy.secrets.operator import OPERATOR, BuiltOperator, build_operator, prepare
from mldeploy.secrets.seed import SEEDED, Seeded, seed

__all__ = ["OPERATOR", "SEEDED", "BuiltOperator", "Seeded", "build_operator", "prepare", "seed"]
