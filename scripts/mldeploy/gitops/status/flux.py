"""Flux's Kustomizations."""

from __future__ import annotations

from typing import Any

from mldeploy.gitops.status.model import HEALTHY, SYNCED, Status

# Not Ready, and nothing is wrong: what it depends on comes first, or a newer commit is taken instead.
_GOING_ON = {"DependencyNotReady", "HealthCheckCanceled"}
GROUP, VERSION, PLURAL = "kustomize.toolkit.fluxcd.io", "v1", "kustomizations"


def status(kustomization: dict[str, Any]) -> Status:
    """Tell the status of a Kustomization, as the API gives it."""
    metadata, found = kustomization["metadata"], kustomization.get("status") or {}
    labels = metadata.get("labels") or {}
    conditions = {one["type"]: one for one in found.get("conditions") or []}
    ready = conditions.get("Ready") or {}
    applied, attempted = found.get("lastAppliedRevision", ""), found.get("lastAttemptedRevision", "")
    suspended = bool(kustomization["spec"].get("suspend"))
    is_ready = ready.get("status") == "True"
    return Status(
        agent="Flux",
        kind="Kustomization",
        namespace=metadata["namespace"],
        name=metadata["name"],
        environment=labels.get("environment", ""),
        service=labels.get("service", ""),
        # main@sha1:0123...
        revision=applied.rpartition(":")[2],
        sync=(SYNCED if applied == attempted else "OutOfSync") if attempted else "Unknown",
        health="Suspended" if suspended else HEALTHY if is_ready else _unready(ready),
        message="" if is_ready else " ".join(ready.get("message", "").split()),
    )


def _unready(ready: dict[str, Any]) -> str:
    if not ready or ready.get("status") == "Unknown" or ready.get("reason") in _GOING_ON:
        return "Progressing"
    return "Degraded"
