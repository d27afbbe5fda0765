"""An environment's secrets in the Vault of its own cluster (KV, version 2)."""

from __future__ import annotations

from typing import Any

from mldeploy.vault.access import Store, admit
from mldeploy.vault.client import Vault, VaultError

_NOT_FOUND = 404


class VaultSource:
    """The secrets below one engine of a Vault.

    Args:
        vault: with an administrator's rights.
        store: how the environment's SecretStore speaks to it.
        environment: whose secrets.
    """

    def __init__(self, vault: Vault, store: Store, environment: str) -> None:
        self._vault, self._store, self._environment = vault, store, environment

    def prepare(self) -> None:
        """See `Source.prepare`: whoever starts anew has forgotten who may read."""
        admit(self._vault, self._store, self._environment)

    def where(self, key: str) -> str:
        """See `Source.where`."""
        return f"vault {self._store.path}/{key}"

    def read(self, key: str) -> dict[str, str]:
        """See `Source.read`."""
        try:
            found: dict[str, Any] = self._vault.ask("GET", self._path(key))["data"]["data"]
        except VaultError as error:
            if error.status != _NOT_FOUND:
                raise
            return {}
        return {name: str(value) for name, value in found.items()}

    def write(self, key: str, properties: dict[str, str]) -> None:
        """See `Source.write`."""
        try:
            self._vault.ask("PATCH", self._path(key), {"data": properties})
        except VaultError as error:
            if error.status != _NOT_FOUND:
                raise
            self._vault.ask("POST", self._path(key), {"data": properties})

    def _path(self, key: str) -> str:
        return f"{self._store.path}/data/{key}"
