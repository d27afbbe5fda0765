"""Statuses read from an API server, of which a fake decides which agents' kinds it has and what it refuses."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from mldeploy.cli import gitops
from mldeploy.errors import MldeployError
from mldeploy.gitops.status import await_deployed, statuses
from mldeploy.progress import Quiet

ROOT = Path(__file__).parents[2]
ARGOCD = "/apis/argoproj.io/v1alpha1/applications"
FLUX = "/apis/kustomize.toolkit.fluxcd.io/v1/kustomizations"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def application(name: str, sync: str = "Synced", health: str = "Healthy") -> dict[str, Any]:
    environment, _, service = name.partition("-")
    labels = {"environment": environment, "service": service}
    status = {"sync": {"status": sync, "revision": COMMIT}, "health": {"status": health}}
    return {"metadata": {"namespace": "argocd", "name": name, "labels": labels}, "status": status}


@contextmanager
def serving(answers: dict[str, tuple[int, Any]], folder: Path) -> Iterator[Path]:
    """Serve lists by path, 404 for all else; gives a kubeconfig."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers.get(self.path, (404, {"kind": "Status", "message": "not found"}))
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    path = folder / "kubeconfig"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "fake",
        "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
        "clusters": [{"name": "fake", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "users": [{"name": "fake", "user": {}}],
    }
    path.write_text(yaml.safe_dump(config), "utf-8")
    try:
        yield path
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def listed(*items: dict[str, Any]) -> tuple[int, Any]:
    return 200, {"items": list(items)}


def test_both_agents_are_read_in_one_order(tmp_path: Path) -> None:
    metadata = {"namespace": "flux-system", "name": "dev-store", "labels": {"environment": "dev", "service": "a"}}
    other = {"metadata": metadata, "spec": {}, "status": {}}
    answers = {ARGOCD: listed(application("prod-ml-api"), application("dev-ml-api")), FLUX: listed(other)}
    with serving(answers, tmp_path) as kubeconfig:
        assert [one.name for one in statuses(kubeconfig, "")] == ["dev-store", "dev-ml-api", "prod-ml-api"]


def test_a_cluster_without_agents_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with serving({}, tmp_path) as kubeconfig, pytest.raises(MldeployError, match="neither Argo CD nor Flux") as caught:
        statuses(kubeconfig, "")
    assert "docs/gitops.md" in caught.value.remedy


def test_a_refusal_is_not_taken_for_an_absent_agent(tmp_path: Path) -> None:
    forbidden = (403, {"kind": "Status", "message": "applications is forbidden"})
    with (
        serving({ARGOCD: forbidden, FLUX: listed()}, tmp_path) as kubeconfig,
        pytest.raises(MldeployError, match=r"cannot list applications\.argoproj\.io: applications is forbidden"),
    ):
        statuses(kubeconfig, "")


@pytest.mark.parametrize(
    ("items", "code"),
    [((application("dev-ml-api"),), 0), ((application("dev-ml-api", "OutOfSync"),), 1), ((), 1)],
)
def test_the_exit_code_says_whether_all_is_well(
    items: tuple[dict[str, Any], ...], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    with serving({ARGOCD: listed(*items)}, tmp_path) as kubeconfig:
        assert gitops.main(["status", "--kubeconfig", str(kubeconfig)]) == code


def test_waiting_ends_when_the_commit_runs(tmp_path: Path) -> None:
    with serving({ARGOCD: listed(application("dev-ml-api"))}, tmp_path) as kubeconfig:
        (found,) = await_deployed(kubeconfig, "", ["dev-ml-api"], COMMIT, Quiet(), timeout_s=10)
    assert found.good


@pytest.mark.parametrize(
    ("name", "revision", "said"),
    [
        ("dev-ml-api", "f" * 40, f"dev-ml-api: Synced, Healthy at {COMMIT}"),
        ("dev-ml-batch", COMMIT, "dev-ml-batch: Synced, Degraded"),
        ("dev-other", COMMIT, "dev-other: not there yet"),
    ],
)
def test_waiting_names_what_it_waits_for(name: str, revision: str, said: str, tmp_path: Path) -> None:
    answers = {ARGOCD: listed(application("dev-ml-api"), application("dev-ml-batch", health="Degraded"))}
    with serving(answers, tmp_path) as kubeconfig, pytest.raises(MldeployError) as caught:
        await_deployed(kubeconfig, "", [name], revision, Quiet(), timeout_s=0)
    assert said in caught.value.message
