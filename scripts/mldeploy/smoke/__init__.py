"""Proves that what was deployed works: a supervised port-forward, declared checks, and a diagnosis when one fails."""

from __future__ import annotations

from mldeploy.smoke.declaration import declared
from mldeploy.smoke.forward import Forward, NotReadyError, forward
from mldeploy.smoke.result import CheckResult
from mldeploy.smoke.run import READY_TIMEOUT_S, smoke

__all__ = ["READY_TIMEOUT_S", "CheckResult", "Forward", "NotReadyError", "declared", "forward", "smoke"]
