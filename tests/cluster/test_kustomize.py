"""The kustomize way on a real node: sync, apply, diff, one service, and adoption of the other way's releases.

The tests of this module go on from each other's state, in their order.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from mldeploy import process
from mldeploy.cluster import Cluster
from mldeploy.image import reference
from mldeploy.toolchain import tool_environment
from tests.cluster.deploying import ROOT, Helmfile, helmfile_for, items, revisions, this_image
from tests.cluster.support import Kubectl

SERVICES = ("ml-api", "ml-batch")
KUSTOMIZE = ("--file", "deployments/kustomize/helmfile.yaml")
HOOKS = [f"scripts/{path.name}" for path in sorted((ROOT / "scripts").iterdir()) if path.is_file()]
COPIED = ["helmfile.yaml", "charts", "deployments", "values", "ml-api-kustomize", "ml-batch-kustomize", *HOOKS]


@pytest.fixture(scope="module")
def checkout(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this checkout that runs this checkout's images in dev and staging, as a commit to values would."""
    root = tmp_path_factory.mktemp("checkout")
    for name in COPIED:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, root / name, symlinks=True, ignore=shutil.ignore_patterns("all.yaml"))
        else:
            shutil.copy2(ROOT / name, root / name)
    (root / ".venv").symlink_to(ROOT / ".venv")
    this_image(cluster)
    # Without keys: they need no store, and the other way deploys the same values.
    wanted = {"image": {"tag": reference(ROOT, "ml-service").rpartition(":")[2]}, "externalSecret": {"enabled": False}}
    for path in (root / "values" / name / f"{each}.yaml" for name in ("dev", "staging") for each in SERVICES):
        path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text("utf-8")), **wanted}), "utf-8")
    process.run([ROOT / ".venv/bin/mldeploy", "overlay", "build"], timeout_s=120, cwd=root, env=tool_environment(ROOT))
    return root


@pytest.fixture(scope="module")
def helmfile(cluster: Cluster, checkout: Path, kubectl: Kubectl) -> Iterator[Helmfile]:
    run = helmfile_for(cluster)

    def there(*arguments: str | Path, ok: tuple[int, ...] = (0,), cwd: Path = checkout) -> process.Completed:
        return run(*arguments, ok=ok, cwd=cwd)

    yield there
    kubectl("delete", "namespace", "dev", "staging", "--ignore-not-found", "--wait=true", "--timeout=300s")


def generated(checkout: Path) -> list[Path]:
    return list(checkout.glob("deployments/kustomize/*/templates/all.yaml"))


def test_sync_of_one_service(helmfile: Helmfile, kubectl: Kubectl, cluster: Cluster, checkout: Path) -> None:
    helmfile(*KUSTOMIZE, "--environment", "staging", "--selector", "service=ml-api", "sync")
    assert revisions(cluster, "staging", "staging-ml-api") == ["deployed"]
    assert revisions(cluster, "staging", "staging-ml-batch") == []
    assert items(kubectl, "deployments", "staging")["staging-ml-api"]["status"]["readyReplicas"] >= 1
    assert generated(checkout) == []


def test_a_second_apply_changes_nothing(helmfile: Helmfile, cluster: Cluster) -> None:
    selected = (*KUSTOMIZE, "--environment", "staging", "--selector", "service=ml-api")
    assert helmfile(*selected, "diff", "--detailed-exitcode").returncode == 0
    # helmfile 1.8.0 may end a diff before its cleanup hook has run: a template that stays is in nobody's way.
    helmfile(*selected, "apply")
    assert revisions(cluster, "staging", "staging-ml-api") == ["deployed"]


def test_the_other_way_adopts_the_release_and_no_pod_is_replaced(
    helmfile: Helmfile, cluster: Cluster, kubectl: Kubectl
) -> None:
    """helm-diff compares texts, and the charts write their keys in another order: a revision more, the same objects."""
    before = set(items(kubectl, "pods", "staging"))
    helmfile("--environment", "staging", "--selector", "service=ml-api", "apply")
    assert revisions(cluster, "staging", "staging-ml-api") == ["superseded", "deployed"]
    assert set(items(kubectl, "pods", "staging")) >= before


def test_this_way_adopts_a_release_of_the_charts(helmfile: Helmfile, cluster: Cluster, kubectl: Kubectl) -> None:
    helmfile("--selector", "service=ml-batch", "apply")
    before = set(items(kubectl, "pods", "dev"))
    helmfile(*KUSTOMIZE, "--selector", "service=ml-batch", "sync")
    assert revisions(cluster, "dev", "dev-ml-batch") == ["superseded", "deployed"]
    assert set(items(kubectl, "pods", "dev")) >= before, "the same pods run on"


def test_a_foreign_context_is_refused(helmfile: Helmfile, cluster: Cluster, kubectl: Kubectl, tmp_path: Path) -> None:
    foreign = tmp_path / "kubeconfig"
    foreign.write_bytes(cluster.kubeconfig.read_bytes())
    foreign.chmod(0o600)
    kubectl("--kubeconfig", str(foreign), "config", "rename-context", cluster.context, "somebody-elses")
    before = revisions(cluster, "staging", "staging-ml-api")
    done = helmfile("--kubeconfig", foreign, *KUSTOMIZE, "--environment", "staging", "sync", ok=(1,))
    assert "staging may not be applied to the kube-context 'somebody-elses'" in done.stderr
    assert revisions(cluster, "staging", "staging-ml-api") == before


def test_a_failing_build_stops_before_anything_changes(helmfile: Helmfile, cluster: Cluster, checkout: Path) -> None:
    values = checkout / "values" / "staging" / "ml-api.yaml"
    text = values.read_text("utf-8")
    before = revisions(cluster, "staging", "staging-ml-api")
    values.write_text(text.replace("maxReplicas: 6", "maxReplicas: 7"), "utf-8")
    done = helmfile(*KUSTOMIZE, "--environment", "staging", "sync", ok=(1,))
    values.write_text(text, "utf-8")
    assert "ml-api-kustomize/overlays/staging/hpa.yaml: is out of date" in done.stderr
    assert revisions(cluster, "staging", "staging-ml-api") == before
    assert revisions(cluster, "staging", "staging-ml-batch") == []
