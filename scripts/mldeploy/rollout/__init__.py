"""Changing clusters: which one an environment may be applied to, and (later) apply as one set."""
