"""What services take their secrets from: the operator, made here from its pinned module, and seeded stores."""

from __future__ import annotations

from mldeploy.published import prepare
from mldeploy.secrets import seed, wake_stores
from mldeploy.smoke.kube import connect, disconnect
from mldeploy.up.place import Place

OPERATOR = "external-secrets"
LOCAL = ("--environment", "local")


def install_operator(place: Place) -> bool:
    """Install the External Secrets Operator; say whether anything changed.

    Raises:
        MldeployError: its program is not installed, or the cluster does not take it.
    """
    for built in prepare(place.root, [OPERATOR], place.progress):
        place.cluster.load_image(built.archive, place.progress)
    return place.apply(
        "published/operators.yaml",
        *LOCAL,
        "--selector",
        f"service={OPERATOR}",
        title="Installing the External Secrets Operator",
        remedy="mend the cause and run this again; `kubectl get pods -n external-secrets` tells more",
    )


def install_store(place: Place, environment: str) -> bool:
    """Seed an environment's store and install what reads it; say whether anything changed.

    Raises:
        MldeployError: the environment's store is not seeded, or the cluster does not take it.
    """
    cluster = place.cluster
    seeded = seed(place.root, environment, place.progress, kubeconfig=cluster.kubeconfig, context=cluster.context)
    applied = place.apply(
        "published/stores.yaml",
        *LOCAL,
        "--selector",
        f"environment={environment}",
        "--state-values-set",
        f"{environment}.enabled=true",
        title=f"Installing {environment}'s store of secrets",
        remedy=f"mend the cause and run this again; `kubectl describe secretstore -n {environment}` tells more",
    )
    if seeded.written and not applied:
        # What reads the store may have been refused for a while: it was empty, or its Vault had forgotten who reads it.
        api = connect(cluster.kubeconfig, cluster.context)
        try:
            wake_stores(api, environment)
        finally:
            disconnect(api)
    return bool(seeded.written) or applied
