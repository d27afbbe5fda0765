"""Flux, which from then on deploys dev from what the checkout's commit publishes (docs/gitops.md)."""

from __future__ import annotations

from mldeploy.up.place import Added, Extra, Place


def _bring_up(place: Place) -> Added:
    from mldeploy.gitops import flux

    flux.up(place.root, place.cluster, "dev", place.progress)
    # It publishes the commit and applies its own objects each time; what that changes is Flux's to tell.
    return Added(changed=False)


FLUX = Extra(
    "Flux, which deploys dev from what this checkout's commit publishes",
    ("source-controller", "kustomize-controller", "git-server"),
    _bring_up,
    daily="mldeploy gitops push                          # after a commit: Flux deploys dev, no longer helmfile",
)
