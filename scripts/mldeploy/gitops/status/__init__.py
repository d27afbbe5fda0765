"""What Argo CD and Flux say of what they deploy, in one form."""

from __future__ import annotations

from mldeploy.gitops.status.model import Status
from mldeploy.gitops.status.read import await_deployed, statuses

__all__ = ["Status", "await_deployed", "statuses"]
