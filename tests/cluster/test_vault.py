"""staging's secrets from a Vault in the cluster, where the operator logs in as the store's account: `up`'s own steps.

The tests of this module go on from each other's state, in their order.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mldeploy import process
from mldeploy.cluster import Cluster
from mldeploy.errors import MldeployError
from mldeploy.progress import Quiet
from mldeploy.secrets import retire, rotate, seed
from mldeploy.smoke import forward, smoke
from mldeploy.up.extras.vault import VAULT
from mldeploy.up.place import Place
from mldeploy.vault.client import Vault, VaultError, administered
from mldeploy.vault.place import LOOPBACK_PORT
from tests.cluster.deploying import ROOT, helmfile_for, items, revisions, this_image
from tests.cluster.secret_support import answered, ready, secret, synced
from tests.cluster.support import Kubectl, await_true, with_namespace

STAGING = ("--environment", "staging")
ML_API = (*STAGING, "--selector", "service=ml-api")
NAMESPACE = "staging"
API, BATCH = "staging-ml-api", "staging-ml-batch"
# Far below Helm's own 300 s, however busy the machine is.
SOON_S = 120.0
LARGE = 4 * 1024**2


@pytest.fixture(scope="module")
def vault(operator: Place, kubectl: Kubectl) -> Iterator[Place]:
    """Vault and staging's store, seeded."""
    VAULT.bring_up(operator)
    yield operator
    for kind in ("clusterrole", "clusterrolebinding"):
        kubectl("delete", kind, "vault-token-review")
    kubectl("delete", "namespace", "vault", NAMESPACE, "--wait=true", "--timeout=300s")


@pytest.fixture(scope="module")
def strangers(kubectl: Kubectl) -> Iterator[None]:
    """Accounts of dev: its store's, and one that is called as staging's."""
    with_namespace(kubectl, "dev")
    for name in ("dev-secret-store", "staging-secret-store"):
        manifest = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "dev"}}
        kubectl("apply", "--server-side", "-f", "-", input_text=json.dumps(manifest))
    yield
    kubectl("delete", "namespace", "dev", "--wait=true", "--timeout=300s")


@pytest.fixture(scope="module")
def apply(cluster: Cluster, vault: Place) -> Iterator[Callable[..., process.Completed]]:
    """helmfile apply of staging, with this checkout's image."""
    helmfile = helmfile_for(cluster)
    image = this_image(cluster, keys=True)

    def run(*arguments: str, ok: tuple[int, ...] = (0,), selector: tuple[str, ...] = ML_API) -> process.Completed:
        return helmfile(*selector, "apply", *image, *arguments, ok=ok)

    yield run
    helmfile(*STAGING, "destroy")


def held(cluster: Cluster, service: str, key: str) -> str:
    """Give what Vault has, asked of itself."""
    with administered(cluster.kubeconfig, cluster.context, environment=NAMESPACE) as vault:
        return str(vault.ask("GET", f"secret/data/staging/{service}")["data"]["data"][key])


def test_without_a_vault_in_the_cluster_nothing_is_written(cluster: Cluster) -> None:
    with pytest.raises(MldeployError, match="staging: its secrets are in a Vault outside the cluster"):
        seed(ROOT, "staging", Quiet(), kubeconfig=cluster.kubeconfig, context=cluster.context)


def test_doing_it_again_changes_nothing(vault: Place, cluster: Cluster, kubectl: Kubectl) -> None:
    before, pods = held(cluster, "ml-api", "api-keys"), set(items(kubectl, "pods", "vault"))
    assert len(before) >= 40
    assert not VAULT.bring_up(vault).changed
    assert held(cluster, "ml-api", "api-keys") == before
    assert set(items(kubectl, "pods", "vault")) == pods


def test_the_services_have_what_vault_has(
    apply: Callable[..., process.Completed], cluster: Cluster, kubectl: Kubectl
) -> None:
    done = apply(selector=STAGING)
    key, password = held(cluster, "ml-api", "api-keys"), held(cluster, "ml-batch", "redis-password")
    for name in (API, BATCH):
        assert synced(kubectl, name, NAMESPACE) == ("True", "SecretSynced")
    assert secret(kubectl, NAMESPACE, API) == key
    assert secret(kubectl, NAMESPACE, BATCH, "redis-password") == password
    assert answered(cluster, "", "wrong", key, namespace=NAMESPACE) == [401, 401, 200]
    results = smoke(ROOT, "staging", kubeconfig=cluster.kubeconfig, context=cluster.context, progress=Quiet())
    assert {result.name: result.message for result in results if result.outcome != "passed"} == {}
    assert {"prediction", "no-key", "wrong-key", "job"} <= {result.name for result in results}
    for value in (key, password):
        assert value not in done.stdout + done.stderr


def test_the_root_token_is_in_its_secret_and_nowhere_else(vault: Place, cluster: Cluster, kubectl: Kubectl) -> None:
    token = secret(kubectl, "vault", "vault-root", "token")
    assert len(token) >= 40
    said = kubectl("logs", "-n", "vault", "deployment/vault")
    assert "Vault server started!" in said
    for shown in (said, kubectl("get", "all,configmaps,events", "-n", "vault", "-o", "yaml")):
        assert token not in shown
    running = command_lines()
    assert [line for line in running if line.startswith(b"/vault\0-dev\0")]
    assert not [line for line in running if token.encode() in line]
    read = [content for folder in (cluster.kubeconfig.parent, ROOT / ".mldeploy") for content in contents(folder)]
    assert len(read) > 10
    assert not [content for content in read if token.encode() in content]


def command_lines() -> list[bytes]:
    return [content for entry in Path("/proc").glob("[0-9]*") if (content := content_of(entry / "cmdline"))]


def contents(folder: Path) -> Iterator[bytes]:
    """Give what is in a folder's files: logs, state, what containers are started with; programs are larger."""
    for path in folder.rglob("*"):
        if path.is_file() and path.stat().st_size < LARGE:
            yield content_of(path)


def content_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""  # gone meanwhile


@contextmanager
def reached(cluster: Cluster) -> Iterator[int]:
    """A local port that leads to Vault, for whoever has a token of theirs."""
    with forward(cluster.kubeconfig, cluster.context, "vault", "svc/vault", LOOPBACK_PORT) as one:
        yield one.port


def log_in(port: int, kubectl: Kubectl, namespace: str, account: str, audience: str = "vault") -> Vault:
    """Log in as the operator does: with a short-lived token of an account."""
    jwt = kubectl("create", "token", account, "-n", namespace, "--audience", audience).strip()
    answer = Vault(port).ask("POST", "auth/kubernetes/login", {"role": "staging", "jwt": jwt})
    return Vault(port, answer["auth"]["client_token"])


def test_the_store_s_account_reads_its_path_and_no_more(vault: Place, cluster: Cluster, kubectl: Kubectl) -> None:
    with administered(cluster.kubeconfig, cluster.context, environment=NAMESPACE) as root:
        root.ask("POST", "secret/data/prod/ml-api", {"data": {"api-keys": "prod's"}})
    with reached(cluster) as port:
        store = log_in(port, kubectl, "staging", "staging-secret-store")
        assert store.ask("GET", "secret/data/staging/ml-api")["data"]["data"]["api-keys"]
        for method, path in (
            ("GET", "secret/data/prod/ml-api"),
            ("GET", "secret/metadata/staging?list=true"),
            ("PATCH", "secret/data/staging/ml-api"),
            ("DELETE", "secret/data/staging/ml-api"),
            ("GET", "sys/policies/acl/staging"),
        ):
            with pytest.raises(VaultError, match="permission denied") as refused:
                store.ask(method, path, {"data": {}} if method == "PATCH" else None)
            assert refused.value.status == 403, path


@pytest.mark.parametrize(
    ("namespace", "account", "audience", "reason"),
    [
        ("dev", "dev-secret-store", "vault", "service account name not authorized"),
        ("dev", "staging-secret-store", "vault", "namespace not authorized"),
        ("staging", "default", "vault", "service account name not authorized"),
        ("staging", "staging-secret-store", "another", "audience claim does not match"),
    ],
)
def test_who_is_not_bound_is_refused(  # noqa: PLR0917 - fixtures and cases
    namespace: str,
    account: str,
    audience: str,
    reason: str,
    vault: Place,
    strangers: None,
    cluster: Cluster,
    kubectl: Kubectl,
) -> None:
    with reached(cluster) as port, pytest.raises(VaultError, match=reason) as refused:
        log_in(port, kubectl, namespace, account, audience)
    assert refused.value.status in {400, 403}


def test_a_key_is_rotated_and_retired(
    apply: Callable[..., process.Completed], cluster: Cluster, kubectl: Kubectl
) -> None:
    old = secret(kubectl, NAMESPACE, API)
    where = ("vault secret/staging/ml-api: api-keys",)
    assert rotate(ROOT, "staging", "ml-api", Quiet(), kubeconfig=cluster.kubeconfig, context=cluster.context) == where
    new = secret(kubectl, NAMESPACE, API).split()[0]
    assert held(cluster, "ml-api", "api-keys").split() == [new, old]
    assert answered(cluster, old, new, namespace=NAMESPACE) == [200, 200]
    assert retire(ROOT, "staging", "ml-api", Quiet(), kubeconfig=cluster.kubeconfig, context=cluster.context) == where
    assert answered(cluster, old, new, namespace=NAMESPACE) == [401, 200]


def look_now(kubectl: Kubectl) -> None:
    """Have the operator look at once; it does every minute."""
    kubectl("annotate", "externalsecret", API, "-n", NAMESPACE, f"force-sync={time.time_ns()}", "--overwrite")


@contextmanager
def nobody_at_its_address(kubectl: Kubectl) -> Iterator[None]:
    """Vault's Service without a pod behind it: what is asked of it is refused, and Vault forgets nothing."""

    def select(name: str) -> None:
        patch = {"spec": {"selector": {"app.kubernetes.io/name": name}}}
        kubectl("patch", "service", "vault", "-n", "vault", "--patch", json.dumps(patch))

    select("nobody")
    try:
        yield
    finally:
        select("vault")


def test_a_deploy_while_vault_is_away_stops_and_goes_through_when_it_is_back(
    apply: Callable[..., process.Completed], cluster: Cluster, kubectl: Kubectl
) -> None:
    before, key = revisions(cluster, NAMESPACE, API), secret(kubectl, NAMESPACE, API)
    with nobody_at_its_address(kubectl):
        done = apply("--set", "config.logLevel=error", ok=(1,))
        said = [line for line in (done.stdout + done.stderr).splitlines() if "cannot be synced" in line]
        assert f"{API}: ExternalSecret {API} cannot be synced" in said[0]
        assert "connection refused" in said[0]
        assert done.seconds < SOON_S
        assert revisions(cluster, NAMESPACE, API) == before
        look_now(kubectl)
        await_true(lambda: synced(kubectl, API, NAMESPACE)[0] == "False", "the operator misses Vault")
        assert secret(kubectl, NAMESPACE, API) == key
        assert answered(cluster, key, namespace=NAMESPACE) == [200]
    await_true(lambda: synced(kubectl, API, NAMESPACE)[0] == "True", "the operator syncs again", timeout_s=180)
    apply("--set", "config.logLevel=error")
    assert revisions(cluster, NAMESPACE, API)[-1] == "deployed"


def test_a_vault_that_has_forgotten_everything_is_seeded_anew(
    apply: Callable[..., process.Completed], vault: Place, cluster: Cluster, kubectl: Kubectl
) -> None:
    old = secret(kubectl, NAMESPACE, API)
    kubectl("delete", "pods", "--all", "-n", "vault", "--wait=true", "--timeout=60s")
    kubectl("rollout", "status", "deployment/vault", "-n", "vault", "--timeout=120s")
    look_now(kubectl)
    await_true(lambda: synced(kubectl, API, NAMESPACE)[0] == "False", "the operator may not log in")
    # The operator tries a store itself every five minutes: here it finds at once that it may not log in.
    kubectl("annotate", "secretstore", "ml-secrets", "-n", NAMESPACE, f"try={time.time_ns()}")
    missed = "the operator knows it of the store too"
    await_true(lambda: ready(kubectl, "secretstores", "ml-secrets", NAMESPACE)[0] == "False", missed)
    assert secret(kubectl, NAMESPACE, API) == old
    assert answered(cluster, old, namespace=NAMESPACE) == [200]
    assert VAULT.bring_up(vault).changed
    look_now(kubectl)
    await_true(lambda: synced(kubectl, API, NAMESPACE)[0] == "True", "the operator syncs again")
    assert secret(kubectl, NAMESPACE, API) == held(cluster, "ml-api", "api-keys") != old
