"""Fills the namespace that an environment's store reads, with keys that nobody chose or those of a git-ignored file."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mldeploy import paths
from mldeploy.errors import MldeployError
from mldeploy.progress import Progress
from mldeploy.smoke.kube import ApiClient, ApiError, connect, core, disconnect, explained
from mldeploy.values import Workspace

# The environments whose store is a namespace of their own cluster (deployments/published); others have a real vault.
SEEDED = ("dev",)
_RANDOM_BYTES = 32
_NOT_FOUND = 404


@dataclass(frozen=True)
class Seeded:
    """What was written: `namespace/secret: property`, never a value; empty when everything was there."""

    namespace: str
    written: tuple[str, ...]


def seed(root: Path, environment: str, progress: Progress, *, kubeconfig: Path | None, context: str) -> Seeded:
    """Write what the environment's releases take from the store and it does not have yet.

    A value of `.mldeploy/secrets/<environment>.yaml` (secret to property to text) goes before what is there; anything
    else that is missing is random, and what is there stays. Values go to the API server in requests' bodies and are in
    no argument, message or log.

    Args:
        root: the checkout, whose values say which secrets are wanted.
        environment: one of `SEEDED`.
        progress: told how many were written.
        kubeconfig: the file that names the cluster; None: as kubectl finds it.
        context: the context in it; empty: the current one.

    Raises:
        MldeployError: the environment's store is not seeded, the file is readable for others or no such mapping,
            or the cluster refuses.
    """
    if environment not in SEEDED:
        raise MldeployError(
            f"{environment}: its secrets are in a store outside the cluster, which is not seeded",
            remedy=f"write them there; {', '.join(SEEDED)} can be seeded",
        )
    wanted = _wanted(root, environment)
    given = _given(paths.state(root) / "secrets" / f"{environment}.yaml")
    namespace = f"secrets-{environment}"
    api = connect(kubeconfig, context)
    try:
        _guarded_namespace(api, namespace)
        written: list[str] = []
        for name in sorted(wanted.keys() | given.keys()):
            written += _fill(api, namespace, name, wanted.get(name, set()), given.get(name, {}))
    finally:
        disconnect(api)
    progress.note(f"secrets of {environment}: {f'{len(written)} written' if written else 'nothing to write'}")
    return Seeded(namespace, tuple(written))


def _wanted(root: Path, environment: str) -> dict[str, set[str]]:
    """Name the properties that releases take, by secret of the store."""
    workspace = Workspace(root)
    found: dict[str, set[str]] = {}
    for release in workspace.releases(environment):
        declared: Any = workspace.layered(release).values.get("externalSecret") or {}
        if declared.get("enabled"):
            for remote in declared["data"].values():
                found.setdefault(remote["key"], set()).add(remote.get("property", ""))
    return found


def _given(path: Path) -> dict[str, dict[str, str]]:
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


def _guarded_namespace(api: ApiClient, name: str) -> None:
    """Make the namespace where no pod can run, so that none can mount what is in it."""
    labels = {
        "app.kubernetes.io/managed-by": "mldeploy",
        "pod-security.kubernetes.io/enforce": "restricted",
    }
    _create(
        f"make the namespace {name}",
        lambda: core(api).create_namespace({"metadata": {"name": name, "labels": labels}}),
    )
    quota = {"metadata": {"name": "no-pods"}, "spec": {"hard": {"pods": "0"}}}
    _create(f"guard the namespace {name}", lambda: core(api).create_namespaced_resource_quota(name, quota))


def _create(doing: str, create: Any) -> None:
    try:
        with explained(doing):
            create()
    except ApiError as error:
        if error.status != 409:
            raise


def _fill(api: ApiClient, namespace: str, name: str, wanted: set[str], given: Mapping[str, str]) -> list[str]:
    where = f"{namespace}/{name}"
    present: dict[str, str] | None
    try:
        with explained(f"read the secret {where}"):
            present = core(api).read_namespaced_secret(name, namespace).data or {}
    except ApiError as error:
        if error.status != _NOT_FOUND:
            raise
        present = None
    have = present or {}
    new = {key: _encoded(value) for key, value in given.items() if have.get(key) != _encoded(value)}
    new |= {
        key: _encoded(secrets.token_urlsafe(_RANDOM_BYTES)) for key in wanted if key not in have and key not in given
    }
    if not new:
        return []
    body = {"metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "mldeploy"}}, "data": new}
    with explained(f"write the secret {where}"):
        if present is None:
            core(api).create_namespaced_secret(namespace, body)
        else:
            core(api).patch_namespaced_secret(name, namespace, body)
    return [f"{where}: {key}" for key in sorted(new)]


def _encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()
