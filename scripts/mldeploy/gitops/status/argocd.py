"""Argo CD's Applications."""

from __future__ import annotations

from typing import Any

from mldeploy.gitops.status.model import Status

GROUP, VERSION, PLURAL = "argoproj.io", "v1alpha1", "applications"
_DONE = {"", "Succeeded"}


def status(application: dict[str, Any]) -> Status:
    """Tell the status of an Application, as the API gives it."""
    metadata, found = application["metadata"], application.get("status") or {}
    labels = metadata.get("labels") or {}
    sync, health = found.get("sync") or {}, found.get("health") or {}
    return Status(
        agent="Argo CD",
        kind="Application",
        namespace=metadata["namespace"],
        name=metadata["name"],
        environment=labels.get("environment", ""),
        service=labels.get("service", ""),
        revision=sync.get("revision", ""),
        sync=sync.get("status", "Unknown"),
        health=health.get("status", "Unknown"),
        message=_message(found),
    )


def _message(found: dict[str, Any]) -> str:
    operation = found.get("operationState") or {}
    if operation.get("phase", "") not in _DONE:
        return _line(operation.get("message", "")) or f"sync {operation['phase'].lower()}"
    # Errors and warnings about the Application itself: a source that does not render, a project that forbids it.
    told = [condition.get("message", "") for condition in found.get("conditions") or []]
    # Argo CD says of an unhealthy object here, and nowhere else, what is wrong with it.
    told += [
        f"{one['kind']} {one['name']}: {one['health']['message']}"
        for one in found.get("resources") or []
        if (one.get("health") or {}).get("status") == "Degraded" and one["health"].get("message")
    ]
    return _line(told[0]) if told else ""


def _line(text: str) -> str:
    return " ".join(text.split())
