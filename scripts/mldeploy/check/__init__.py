"""What is wrong with the manifests that a checkout renders, found without a cluster."""

from __future__ import annotations

from mldeploy.check.checker import check

__all__ = ["check"]
