"""Changing clusters: which one an environment may be applied to, and by whom; (later) apply as one set."""
