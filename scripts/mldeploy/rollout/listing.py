"""What a cluster has of a kind, as helmfile's hooks ask it."""

from __future__ import annotations

import json
from typing import Any

from mldeploy import process

_KUBECTL_TIMEOUT_S = 20.0


def listed(kind: str, namespace: str, *options: str, context: str = "") -> list[dict[str, Any]]:
    """Give a namespace's objects of a kind.

    Args:
        kind: as kubectl names it.
        namespace: theirs.
        options: of `kubectl get`, such as a selector.
        context: the kube-context; empty: the current one.

    Raises:
        ProcessError: kubectl is missing, or the cluster does not answer.
    """
    chosen = ["--context", context] if context else []
    words = ["kubectl", *chosen, "get", kind, "-n", namespace, *options, "-o", "json"]
    items: list[dict[str, Any]] = json.loads(process.run(words, timeout_s=_KUBECTL_TIMEOUT_S).stdout)["items"]
    return items
