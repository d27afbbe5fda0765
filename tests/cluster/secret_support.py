"""What the tests of secrets ask: the Secret, the operator's word, and the service with one key or another."""

from __future__ import annotations

import base64
import json
import shutil
from http.client import HTTPConnection
from pathlib import Path

from mldeploy.cluster import Cluster
from mldeploy.smoke import forward
from tests.cluster.deploying import ROOT, items
from tests.cluster.support import Kubectl

ML_API = ("--selector", "service=ml-api")


def own_checkout(folder: Path) -> Path:
    """This checkout with a state folder of its own, and deployments and values that a test may change."""
    for name in ("helmfile.yaml", "charts", "scripts", ".venv"):
        (folder / name).symlink_to(ROOT / name)
    for name in ("deployments", "values"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


def secret(kubectl: Kubectl, namespace: str, name: str = "dev-ml-api", key: str = "api-keys") -> str:
    data = json.loads(kubectl("get", "secret", name, "-n", namespace, "-o", "json"))["data"]
    return base64.b64decode(data[key]).decode()


def synced(kubectl: Kubectl, name: str = "dev-ml-api", namespace: str = "dev") -> tuple[str, str]:
    """Give the status and the reason of an ExternalSecret's Ready condition."""
    return ready(kubectl, "externalsecrets", name, namespace)


def ready(kubectl: Kubectl, kind: str, name: str, namespace: str) -> tuple[str, str]:
    """Give the status and the reason of the Ready condition of one of the operator's objects."""
    found = items(kubectl, kind, namespace)[name]
    (said,) = [one for one in found["status"]["conditions"] if one["type"] == "Ready"]
    return said["status"], said["reason"]


def predict(port: int, key: str) -> int:
    """Ask for a prediction with a key ("": without one); give the status."""
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {"Content-Type": "application/json"} | ({"X-API-Key": key} if key else {})
    try:
        connection.request("POST", "/v1/predict", json.dumps({"image": [[0] * 8] * 8}), headers)
        return connection.getresponse().status
    finally:
        connection.close()


def answered(cluster: Cluster, *keys: str, namespace: str = "dev") -> list[int]:
    """Ask one pod of an environment for a prediction with each key ("": without one), and give the statuses."""
    with forward(cluster.kubeconfig, cluster.context, namespace, f"svc/{namespace}-ml-api", 8000) as one:
        return [predict(one.port, key) for key in keys]
