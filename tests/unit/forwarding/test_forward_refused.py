"""What cannot be forwarded is said at once, with the reason."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from mldeploy.errors import MldeployError
from mldeploy.smoke import NotReadyError, forward
from mldeploy.smoke.kube import ApiError
from tests.fixtures.cluster_api import Cluster, Pod


@pytest.mark.parametrize(
    ("target", "port", "message"),
    [
        ("svc/nope", 80, "there is no Service nope in namespace lab (there are: web)"),
        ("svc/web", 81, "Service lab/web has no port 81; its ports: 80 (http)"),
        ("deployment/web", 80, "deployment/web: not a Service"),
    ],
)
def test_a_wrong_target_is_said(kubeconfig: Path, target: str, port: int, message: str) -> None:
    with pytest.raises(MldeployError) as caught, forward(kubeconfig, "", "lab", target, port):
        pass
    assert caught.value.message == message


def test_pods_that_are_not_ready_are_named_with_the_reason(cluster: Cluster, kubeconfig: Path) -> None:
    cluster.pods = {"one": Pod(), "two": Pod()}
    with pytest.raises(NotReadyError) as caught, forward(kubeconfig, "", "lab", "svc/web", 80, ready_timeout_s=0.2):
        pass
    assert caught.value.message == (
        "Service lab/web has no ready pod within 0.2 s: "
        "pod one is not ready: the probe fails; pod two is not ready: the probe fails"
    )


@pytest.mark.parametrize("path", ["/services/web", "/pods", "/portforward"])
def test_a_refusal_is_reported_at_once_and_in_the_servers_words(cluster: Cluster, kubeconfig: Path, path: str) -> None:
    cluster.pods = {"one": Pod()}
    cluster.set_ready("one")
    cluster.errors[path] = (403, 'pods "one" is forbidden: User "u" cannot create resource "pods/portforward"')
    with pytest.raises(ApiError, match="is forbidden") as caught, forward(kubeconfig, "", "lab", "svc/web", 80):
        pass
    assert caught.value.status == 403
    assert "ask for a Role" in caught.value.remedy


def test_a_server_that_is_away_is_said(kubeconfig: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    away = tmp_path / "away"
    away.write_text(kubeconfig.read_text("utf-8").replace("http://127.0.0.1:", f"http://127.0.0.1:{port}#"), "utf-8")
    with pytest.raises(ApiError, match="the API server does not answer"), forward(away, "", "lab", "svc/web", 80):
        pass


def test_a_taken_port_is_said(cluster: Cluster, kubeconfig: Path) -> None:
    cluster.pods = {"one": Pod()}
    cluster.set_ready("one")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with (
            pytest.raises(MldeployError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"),
            forward(kubeconfig, "", "lab", "svc/web", 80, local_port=port),
        ):
            pass


def test_a_kubeconfig_that_cannot_be_used_is_said(kubeconfig: Path, tmp_path: Path) -> None:
    for path, context in ((tmp_path / "missing", ""), (kubeconfig, "other")):
        with pytest.raises(MldeployError, match="kubeconfig"), forward(path, context, "lab", "svc/web", 80):
            pass
