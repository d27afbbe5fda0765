"""A supervised port-forward: `with forward(None, "", "dev", "svc/dev-ml-api", 8000) as one: ... one.address`."""

from __future__ import annotations

from mldeploy.smoke.forward.endpoints import NotReadyError
from mldeploy.smoke.forward.supervisor import Forward, forward

__all__ = ["Forward", "NotReadyError", "forward"]
