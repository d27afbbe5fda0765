"""What the tests of all agents that deploy from git share: a checkout to edit, and how the service does meanwhile."""

from __future__ import annotations

import shutil
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import yaml

from mldeploy import process
from mldeploy.cluster import Cluster
from mldeploy.image.pin import pin
from mldeploy.smoke import forward
from tests.cluster.deploying import ROOT, items
from tests.cluster.support import Kubectl


class Checkout:
    """A git repository with this checkout's files, of which only dev's values are changed.

    Without `keys` its services ask for none, and need no store.
    """

    def __init__(self, root: Path, *, keys: bool = False) -> None:
        self.root = root
        listed = process.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], timeout_s=60, cwd=ROOT
        )
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).exists():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, root / name, follow_symlinks=False)
        pin(root, "dev")
        for service in () if keys else ("ml-api", "ml-batch"):
            self.change(service, {"externalSecret": {"enabled": False}})
        self.git("init", "--quiet", "--initial-branch=main")
        # To commit and to publish as, whatever this machine's git says.
        for name, value in (("user.name", "test"), ("user.email", "test@example.com"), ("commit.gpgsign", "false")):
            self.git("config", name, value)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "first")

    def git(self, *words: str) -> str:
        return process.run(["git", "-C", self.root, *words], timeout_s=60).stdout.strip()

    def change(self, service: str, values: dict[str, Any]) -> None:
        path = self.root / "values" / "dev" / f"{service}.yaml"
        before: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
        path.write_text(yaml.safe_dump({**before, **values}), "utf-8")


def answers(cluster: Cluster) -> bool:
    """Say whether ml-api answers."""
    with forward(cluster.kubeconfig, cluster.context, "dev", "svc/dev-ml-api", 8000) as one:
        connection = HTTPConnection("127.0.0.1", one.port, timeout=20)
        connection.request("GET", "/readyz")
        status = connection.getresponse().status
        connection.close()
    return status == 200


def ready_images(kubectl: Kubectl) -> set[str]:
    """Give the images of ml-api's pods that are ready."""
    return {
        pod["spec"]["containers"][0]["image"]
        for name, pod in items(kubectl, "pods", "dev").items()
        if name.startswith("dev-ml-api-")
        and any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", []))
    }
