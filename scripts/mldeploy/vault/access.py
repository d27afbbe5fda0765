"""Who may read an environment's secrets in Vault: one account, by the Kubernetes auth method, and only that path."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mldeploy.vault.client import Vault

_API_SERVER = "https://kubernetes.default.svc"
_TOKEN_TTL = "10m"  # noqa: S105 - how long what the operator gets is good for


@dataclass(frozen=True)
class Store:
    """How an environment's SecretStore speaks to Vault.

    Attributes:
        path: where the KV engine is mounted.
        mount_path: where the Kubernetes auth method is.
        role: the role that the store asks for.
        audience: what its tokens are made for.
    """

    path: str
    mount_path: str
    role: str
    audience: str


def declared(root: Path, environment: str) -> Store | None:
    """Read what deployments/published says of an environment's Vault; None: its store is no Vault."""
    path = root / "deployments" / "published" / "values" / f"{environment}-secret-store.yaml"
    if not path.is_file():
        return None
    values: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    if not (vault := values.get("vault")):
        return None
    return Store(vault["path"], vault["mountPath"], vault["role"], vault["audience"])


def admit(vault: Vault, store: Store, environment: str) -> None:
    """Let an environment's store read its secrets, and nobody else; the same again changes nothing.

    Raises:
        VaultError: it refuses, or does not answer.
    """
    method = store.mount_path
    if f"{method}/" not in vault.ask("GET", "sys/auth")["data"]:
        vault.ask("POST", f"sys/auth/{method}", {"type": "kubernetes"})
    # Its own account asks the API server whose a token is.
    vault.ask("POST", f"auth/{method}/config", {"kubernetes_host": _API_SERVER})
    rule = f'path "{store.path}/data/{environment}/*" {{ capabilities = ["read"] }}'
    vault.ask("PUT", f"sys/policies/acl/{store.role}", {"policy": rule})
    role = {
        "bound_service_account_names": [f"{environment}-secret-store"],
        "bound_service_account_namespaces": [environment],
        "audience": store.audience,
        "token_policies": [store.role],
        "token_ttl": _TOKEN_TTL,
    }
    vault.ask("POST", f"auth/{method}/role/{store.role}", role)
