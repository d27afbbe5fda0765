"""One thing that is deployed from git, whoever does it."""

from __future__ import annotations

from dataclasses import dataclass

SYNCED = "Synced"
HEALTHY = "Healthy"


@dataclass(frozen=True)
class Status:
    """What an agent says of one thing that it deploys.

    Attributes:
        agent: "Argo CD" or "Flux".
        kind, namespace, name: the agent's own object.
        environment, service: what it deploys, by the object's labels; "" where it has none.
        revision: the commit that the cluster has; "" where none has been applied.
        sync: "Synced", "OutOfSync" or "Unknown": whether the cluster is as the newest commit that was seen says.
        health: "Healthy", "Progressing", "Degraded", "Suspended", "Missing" or "Unknown".
        message: what is wrong, in the agent's words; "" where nothing is.
    """

    agent: str
    kind: str
    namespace: str
    name: str
    environment: str
    service: str
    revision: str
    sync: str
    health: str
    message: str

    @property
    def good(self) -> bool:
        """Whether the newest commit runs, and well."""
        return self.sync == SYNCED and self.health == HEALTHY and not self.message
