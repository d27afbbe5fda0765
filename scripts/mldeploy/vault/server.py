"""Starts Vault inside a cluster, and lets an environment's store trust it."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from string import Template

from mldeploy.cluster import Cluster
from mldeploy.cluster.kubectl import Kubectl
from mldeploy.progress import Progress
from mldeploy.published.images import of_programs
from mldeploy.smoke.kube import ApiClient, connect, core, disconnect, ensure, explained
from mldeploy.vault.certificate import self_signed
from mldeploy.vault.place import (
    CA_CONFIG_MAP,
    CA_KEY,
    CERTIFICATE_KEY,
    HOST,
    NAMESPACE,
    ROOT_KEY,
    ROOT_SECRET,
    SERVICE,
    TLS_SECRET,
)

PROGRAM = "vault"
_MANIFESTS = Path(__file__).with_name("manifests")
_TOKEN_BYTES = 32
_READY_S = 120.0


def serve(cluster: Cluster, progress: Progress) -> None:
    """Make Vault run in a cluster; one that runs keeps what it has, and a new one is empty.

    Its root token is random, and is in a Secret of its namespace only.

    Args:
        cluster: which one; the image is loaded into its node.
        progress: told each step.

    Raises:
        MldeployError: the program is not installed, its image cannot be loaded, or the pod is not ready in time.
    """
    image = of_programs(PROGRAM, (PROGRAM,), progress)
    cluster.load_image(image.archive, progress)
    kubectl = Kubectl.of(cluster)
    certificate, key = self_signed(HOST)
    with progress.step("Starting Vault", key="vault"):
        kubectl.apply((_MANIFESTS / "namespace.yaml").read_text("utf-8"))
        with _api(cluster) as api:
            _secret(api, ROOT_SECRET, "Opaque", {ROOT_KEY: secrets.token_urlsafe(_TOKEN_BYTES)})
            _secret(api, TLS_SECRET, "kubernetes.io/tls", {CERTIFICATE_KEY: certificate, "tls.key": key})
        manifest = (_MANIFESTS / "vault.yaml").read_text("utf-8")
        kubectl.apply(Template(manifest).substitute(image=image.references[PROGRAM]))
        kubectl.await_rollout(NAMESPACE, f"deployment/{SERVICE}", timeout_s=_READY_S)


def trust(cluster: Cluster, namespace: str) -> None:
    """Put the certificate of the cluster's Vault where the store of `namespace` looks for what it trusts.

    Raises:
        MldeployError: there is no Vault in the cluster, or the cluster refuses.
    """
    with _api(cluster) as api:
        with explained("read Vault's certificate"):
            data = core(api).read_namespaced_secret(TLS_SECRET, NAMESPACE).data
        ensure(f"make the namespace {namespace}", lambda: core(api).create_namespace({"metadata": {"name": namespace}}))
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": CA_CONFIG_MAP, "namespace": namespace},
        "data": {CA_KEY: base64.b64decode(data[CERTIFICATE_KEY]).decode()},
    }
    Kubectl.of(cluster).apply(json.dumps(manifest))


@contextmanager
def _api(cluster: Cluster) -> Iterator[ApiClient]:
    api = connect(cluster.kubeconfig, cluster.context)
    try:
        yield api
    finally:
        disconnect(api)


def _secret(api: ApiClient, name: str, kind: str, values: Mapping[str, str]) -> None:
    """Make a Secret of Vault's own; one that is there stays."""
    body = {"metadata": {"name": name}, "type": kind, "stringData": dict(values)}
    ensure(f"write the secret {NAMESPACE}/{name}", lambda: core(api).create_namespaced_secret(NAMESPACE, body))
