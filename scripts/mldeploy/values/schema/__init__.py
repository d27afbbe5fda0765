"""Schemas of values: generated from the charts' annotated values.yaml, the one place where a key is described."""

from __future__ import annotations

from mldeploy.values.schema.generate import generate, stale, write

__all__ = ["generate", "stale", "write"]
