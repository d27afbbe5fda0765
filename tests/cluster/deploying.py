"""helmfile against a test's cluster, with this checkout's images on its node."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Protocol

from mldeploy import process
from mldeploy.cluster import Cluster
from mldeploy.image import build, reference
from mldeploy.progress import Quiet
from mldeploy.toolchain import tool, tool_environment
from tests.cluster.support import Kubectl

ROOT = Path(__file__).parents[2]


class Helmfile(Protocol):
    """Runs helmfile in the repository's root against the cluster."""

    def __call__(self, *arguments: str | Path, ok: tuple[int, ...] = (0,), cwd: Path = ROOT) -> process.Completed: ...


def helmfile_for(cluster: Cluster, **more: str) -> Helmfile:
    environment = {**_environment(cluster), **more}

    def run(*arguments: str | Path, ok: tuple[int, ...] = (0,), cwd: Path = ROOT) -> process.Completed:
        words = [tool("helmfile"), "--no-color", *arguments]
        return process.run(words, timeout_s=400, ok=ok, cwd=cwd, env=environment)

    return run


def start_helmfile(cluster: Cluster, *arguments: str | Path) -> process.Child:
    """Start helmfile, in a process group of its own, for somebody who ends it; what it says goes nowhere."""
    words = [tool("helmfile"), "--no-color", *arguments]
    nowhere = subprocess.DEVNULL
    return process.start(words, cwd=ROOT, env=_environment(cluster), stdout=nowhere, stderr=nowhere)


def _environment(cluster: Cluster) -> dict[str, str]:
    return {**tool_environment(ROOT), "KUBECONFIG": str(cluster.kubeconfig)}


_loaded: set[str] = set()


def this_image(cluster: Cluster, *, keys: bool = False) -> tuple[str | Path, ...]:
    """Put the images of this checkout onto the node, once; gives the arguments that make any environment run them.

    Args:
        cluster: the node's.
        keys: whether the services ask for their keys, as they are deployed; without them they need no store.
    """
    if cluster.context not in _loaded:
        for name in ("ml-service", "redis"):
            cluster.load_image(build(ROOT, name, Quiet()).archive, Quiet())
        _loaded.add(cluster.context)
    # A file, since helmfile knows no --set-string, and a tag may look like a number.
    values = cluster.kubeconfig.parent / f"test-image-{'with' if keys else 'without'}-keys.yaml"
    tag = reference(ROOT, "ml-service").rpartition(":")[2]
    values.write_text(f'image:\n  tag: "{tag}"\n' + ("" if keys else "externalSecret:\n  enabled: false\n"), "utf-8")
    return ("--values", values)


def revisions(cluster: Cluster, namespace: str, release: str) -> list[str]:
    """Give the status of each revision of a release, oldest first; empty if it is not installed."""
    kubeconfig = str(cluster.kubeconfig)
    words = ["--kubeconfig", kubeconfig, "history", release, "-n", namespace, "--output", "json"]
    done = process.run([tool("helm"), *words], timeout_s=60, ok=(0, 1), env=tool_environment(ROOT))
    return [revision["status"] for revision in json.loads(done.stdout)] if done.returncode == 0 else []


def items(kubectl: Kubectl, kind: str, namespace: str) -> dict[str, dict[str, Any]]:
    """Give the objects of a kind in a namespace by name."""
    found = json.loads(kubectl("get", kind, "-n", namespace, "-o", "json"))["items"]
    return {item["metadata"]["name"]: item for item in found}
