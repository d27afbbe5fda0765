"""A push to main deploys: act runs the deploy workflow of a scratch clone against a real node."""

from __future__ import annotations

from pathlib import Path

import pytest

from mldeploy.cluster import Cluster
from mldeploy.image import IMAGES, build
from mldeploy.progress import Quiet
from mldeploy.up.place import Place
from tests.cluster.support import Kubectl
from tests.fixtures.act import Clone, git, make_clone, output, passed, reach, steps
from tests.fixtures.github_api import serve

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return make_clone(tmp_path)


@pytest.mark.timeout(1500)  # what it waits for, and all that is set up for it
def test_dev_is_applied_and_smoke_tested_and_then_passed_over(
    store: Place, cluster: Cluster, kubectl: Kubectl, clone: Clone
) -> None:
    for name in IMAGES:
        cluster.load_image(build(ROOT, name, Quiet()).archive, Quiet())
    # A runner of one's own, which has the kubeconfig; the other clouds differ in how they come by it.
    options = ["--var", "CLOUD=runner", "--env", f"KUBECONFIG={cluster.kubeconfig}"]
    with serve() as github:
        done = clone.act("push", "deploy.yaml", "dev", *options, *reach(github))
        passed(done)
        assert {"Apply", "Smoke test"} <= set(steps(done))
        assert "dev-ml-api" in kubectl("get", "deployments", "--namespace", "dev", "--output", "name")
        github.deployments["dev"] = [
            {"commitOid": git(clone.path, "rev-parse", "HEAD"), "latestStatus": {"state": "SUCCESS"}}
        ]
        again = clone.act("push", "deploy.yaml", "dev", *options, *reach(github))
    passed(again)
    assert "Apply" not in steps(again), output(again)
    kubectl("delete", "namespace", "dev")
