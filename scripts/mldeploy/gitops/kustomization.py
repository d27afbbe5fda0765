"""Kustomizations that are made for one cluster: upstream's manifests, ours on top, and the images that the node has."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from mldeploy import paths, process
from mldeploy.toolchain import tool

_BUILD_S = 60.0


def build(root: Path, name: str, kustomization: dict[str, Any]) -> str:
    """Build a kustomization in the checkout's state folder, where it stays to be looked at.

    Args:
        root: the checkout.
        name: what its folder is called.
        kustomization: its content; `resources` and `components` with absolute paths.

    Raises:
        ProcessError: kustomize refuses it.
    """
    folder = (paths.state(root) / "gitops" / name).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    # kustomize takes no absolute paths.
    relative: dict[str, Any] = {
        key: [os.path.relpath(Path(path).resolve(), folder) for path in kustomization[key]]
        for key in ("resources", "components")
        if key in kustomization
    }
    kind = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    whole: dict[str, Any] = {**kind, **kustomization, **relative}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(whole, sort_keys=False), "utf-8")
    return process.run([tool("kustomize"), "build", folder], timeout_s=_BUILD_S).stdout


def image(name: str, reference: str) -> dict[str, str]:
    """Say that an image of upstream's manifests is another one here."""
    repository, _, tag = reference.rpartition(":")
    return {"name": name, "newName": repository, "newTag": tag}
