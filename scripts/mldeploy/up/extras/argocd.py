"""Argo CD, which from then on deploys dev from the checkout's commit (docs/gitops.md)."""

from __future__ import annotations

from mldeploy.up.place import Added, Extra, Place


def _bring_up(place: Place) -> Added:
    from mldeploy.gitops import argocd

    argocd.up(place.root, place.cluster, "dev", place.progress)
    # It pushes the commit and applies its own objects each time; what that changes is Argo CD's to tell.
    return Added(changed=False)


ARGOCD = Extra(
    "Argo CD, which deploys dev from this checkout's commit",
    ("argocd", "git-server"),
    _bring_up,
    daily="mldeploy gitops push                          # after a commit: Argo CD deploys dev, no longer helmfile",
)
