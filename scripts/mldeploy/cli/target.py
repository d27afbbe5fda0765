"""What a command works with: the cluster, found as kubectl finds it, and the releases that a selector means."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from mldeploy.errors import MldeployError
from mldeploy.values import Release, Workspace


def target(root: Path, environment: str, *, kubeconfig: Path | None, context: str) -> tuple[Path | None, str]:
    """Choose the cluster of an environment's command.

    Args:
        root: the checkout.
        environment: whose contexts are allowed.
        kubeconfig: what `--kubeconfig` names; None: KUBECONFIG, ~/.kube/config, or else this checkout's own cluster.
        context: what `--context` names; empty: the current one.

    Returns:
        The kubeconfig (None: as kubectl finds it) and the context (empty: the current one).

    Raises:
        RefusedError: the environment does not name this context.
        MldeployError: no such environment, or a file cannot be read.
    """
    from mldeploy.rollout import context as contexts

    kubeconfig, context = own_cluster(root, kubeconfig=kubeconfig, context=context)
    contexts.check(root, environment, context=context, kubeconfig=str(kubeconfig or ""))
    return kubeconfig, context


def own_cluster(root: Path, *, kubeconfig: Path | None, context: str) -> tuple[Path | None, str]:
    """Choose this checkout's own cluster where nothing else is named.

    Args:
        root: the checkout.
        kubeconfig: what `--kubeconfig` names; None: KUBECONFIG, ~/.kube/config, or else this checkout's own cluster.
        context: what `--context` names; empty: the current one.

    Returns:
        The kubeconfig (None: as kubectl finds it) and the context (empty: the current one).
    """
    from mldeploy.cluster import open_cluster

    if kubeconfig is None and not os.environ.get("KUBECONFIG") and not (Path.home() / ".kube" / "config").is_file():
        own = open_cluster(root)
        if own.kubeconfig.is_file():
            kubeconfig, context = own.kubeconfig, context or own.context
    return kubeconfig, context


def selected(root: Path, environment: str, selectors: Sequence[str]) -> list[Release]:
    """Give the releases of an environment that `--selector` means; all of them where there is none.

    Raises:
        MldeployError: no such environment, a selector is none, or it matches no release.
    """
    from mldeploy.render.selector import Selector

    selector = Selector.parse(selectors)
    releases = Workspace(root).releases(environment)
    labels = [{**release.labels, "name": release.name, "namespace": release.namespace} for release in releases]
    found = [release for release, own in zip(releases, labels, strict=True) if selector.matches(own)]
    if not found:
        known = "; ".join(",".join(f"{label}={value}" for label, value in own.items()) for own in labels)
        raise MldeployError(
            f"no release of {environment} matches --selector {' --selector '.join(selectors)}",
            remedy=f"the releases have these labels: {known}",
        )
    return found
