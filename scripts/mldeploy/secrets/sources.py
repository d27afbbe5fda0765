"""Where an environment's secrets come from, as far as they can be changed from here."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Protocol

import yaml

from mldeploy import paths
from mldeploy.errors import MldeployError
from mldeploy.smoke.kube import ApiClient, ApiError, core, ensure, explained

_NOT_FOUND = 404


class Source(Protocol):
    """A store that is written to."""

    def prepare(self) -> None:
        """Make it ready to hold secrets, and guarded; again, it changes nothing.

        Raises:
            MldeployError: the store refuses.
        """

    def read(self, key: str) -> dict[str, str]:
        """Give a secret's properties; empty where there is no such secret.

        Raises:
            MldeployError: the store refuses.
        """

    def write(self, key: str, properties: dict[str, str]) -> None:
        """Set properties of a secret; others stay.

        Raises:
            MldeployError: the store refuses.
        """

    def where(self, key: str) -> str:
        """Name a secret for people."""


class NamespaceSource:
    """The Secrets of a guarded namespace."""

    def __init__(self, api: ApiClient, environment: str) -> None:
        self._api, self._namespace = api, f"secrets-{environment}"

    def prepare(self) -> None:
        """See `Source.prepare`: a namespace where no pod can run, so that none can mount what is in it."""
        name = self._namespace
        labels = {"app.kubernetes.io/managed-by": "mldeploy", "pod-security.kubernetes.io/enforce": "restricted"}
        namespace = {"metadata": {"name": name, "labels": labels}}
        ensure(f"make the namespace {name}", lambda: core(self._api).create_namespace(namespace))
        quota = {"metadata": {"name": "no-pods"}, "spec": {"hard": {"pods": "0"}}}
        ensure(f"guard the namespace {name}", lambda: core(self._api).create_namespaced_resource_quota(name, quota))

    def where(self, key: str) -> str:
        """See `Source.where`."""
        return f"{self._namespace}/{key}"

    def read(self, key: str) -> dict[str, str]:
        """See `Source.read`."""
        try:
            with explained(f"read the secret {self.where(key)}"):
                data = core(self._api).read_namespaced_secret(key, self._namespace).data or {}
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise
            return {}
        return {name: base64.b64decode(value).decode() for name, value in data.items()}

    def write(self, key: str, properties: dict[str, str]) -> None:
        """See `Source.write`."""
        body = {
            "metadata": {"name": key, "labels": {"app.kubernetes.io/managed-by": "mldeploy"}},
            "data": {name: base64.b64encode(value.encode()).decode() for name, value in properties.items()},
        }
        try:
            with explained(f"write the secret {self.where(key)}"):
                core(self._api).patch_namespaced_secret(key, self._namespace, body)
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise
            with explained(f"write the secret {self.where(key)}"):
                core(self._api).create_namespaced_secret(self._namespace, body)


def given(root: Path, environment: str) -> dict[str, dict[str, str]]:
    """Read what `.mldeploy/secrets/<environment>.yaml` sets by hand: secret to property to text.

    Raises:
        MldeployError: others may read the file, or it is no such mapping.
    """
    path = paths.state(root) / "secrets" / f"{environment}.yaml"
    if not path.is_file():
        return {}
    if path.stat().st_mode & 0o077:
        raise MldeployError(f"{path}: others may read it", remedy=f"chmod 600 {path}")
    try:
        content = yaml.safe_load(path.read_text("utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError):
        # A parser's own message would quote the line.
        raise MldeployError(f"{path}: not readable as YAML", remedy="correct the file") from None
    shaped = isinstance(content, dict) and all(
        isinstance(properties, dict) and all(isinstance(value, str) and value for value in properties.values())
        for properties in content.values()
    )
    if not shaped:
        raise MldeployError(
            f"{path}: is not a mapping of secrets to properties to texts",
            remedy="write for example\n  dev-ml-api:\n    api-keys: ...",
        )
    return content
