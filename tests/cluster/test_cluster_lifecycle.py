"""A cluster's life: side by side, ended, killed, interrupted, resumed; and nothing of it is left on the host."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mldeploy import process
from mldeploy.cluster import Cluster, ClusterStatus, open_cluster, processes, record
from mldeploy.cluster.layout import layout
from mldeploy.errors import MldeployError, RefusedError
from mldeploy.progress import Quiet
from tests.cluster.support import Kubectl, await_true, kubectl_for, traces

NAME = "second"


@pytest.fixture(scope="module")
def checkout() -> Iterator[Path]:
    """A checkout as far as the command needs one; its cluster is ended whatever the tests did."""
    root = Path(tempfile.mkdtemp(prefix="mldeploy-checkout-"))
    (root / "deployments").mkdir()
    (root / "deployments" / "base.yaml").touch()
    yield root
    open_cluster(root, name=NAME).down(Quiet())
    shutil.rmtree(root)


@pytest.fixture
def second(checkout: Path) -> Cluster:
    """A running cluster beside the session's."""
    opened = open_cluster(checkout, name=NAME)
    opened.up(Quiet())
    return opened


def mldeploy(checkout: Path, *words: str, ok: tuple[int, ...] = (0,)) -> process.Completed:
    return process.run([sys.executable, "-m", "mldeploy.cli.main", *words], timeout_s=120, ok=ok, cwd=checkout)


def keeper_of(checkout: Path) -> record.Record:
    found = record.read(layout(checkout, NAME))
    assert found
    return found


def test_two_clusters_have_the_same_addresses_and_do_not_meet(
    cluster: Cluster, kubectl: Kubectl, second: Cluster
) -> None:
    other = kubectl_for(second.kubeconfig)
    addresses = "jsonpath={.items[*].status.addresses[0].address}"
    assert kubectl("get", "nodes", "-o", addresses) == other("get", "nodes", "-o", addresses) == "10.200.0.1"
    kubectl("create", "configmap", "-n", "default", "only-here", "--from-literal=a=b")
    assert "NotFound" in other("get", "configmap", "-n", "default", "only-here", ok=(1,))
    assert other("config", "current-context").strip() == "mldeploy-second"
    stolen = ["--certificate-authority", str(layout_of(cluster) / "pki" / "ca.crt"), "get", "nodes"]
    assert "certificate" in other(*stolen, ok=(1,)), "a cluster accepts the other's authority"


def layout_of(cluster: Cluster) -> Path:
    return cluster.kubeconfig.parent / "node"


def test_up_again_changes_nothing(second: Cluster, checkout: Path) -> None:
    before = second.status()
    done = mldeploy(checkout, "cluster", "up", "--name", NAME)
    assert "mldeploy-second" in done.stderr
    after = second.status()
    assert [one.pid for one in after.components] == [one.pid for one in before.components]


def test_keys_and_kubeconfig_are_the_owners_alone(second: Cluster) -> None:
    assert second.kubeconfig.stat().st_mode & 0o777 == 0o600
    node = layout_of(second)
    keys = [*node.glob("pki/*.key"), *node.glob("config/*.kubeconfig"), node / "config" / "encryption.json"]
    assert len(keys) > 10
    assert {path.stat().st_mode & 0o777 for path in keys} == {0o600}


def test_a_component_that_is_killed_comes_back(second: Cluster) -> None:
    for name in ("kubelet", "containerd", "etcd", "kube-apiserver", "kube-proxy"):
        pid = component(second.status(), name)
        assert pid, f"{name} runs"
        os.kill(pid, signal.SIGKILL)

        def back(name: str = name, pid: int = pid) -> bool:
            status = second.status()
            return status.state == "ready" and component(status, name) not in {0, pid}

        await_true(back, f"{name} runs again and the cluster is ready", timeout_s=60)
    other = kubectl_for(second.kubeconfig)
    await_true(lambda: other("get", "--raw", "/readyz", ok=(0, 1)).strip() == "ok", "the API server calls itself ready")


def component(status: ClusterStatus, name: str) -> int:
    return next(one.pid for one in status.components if one.name == name)


def test_the_forward_comes_back(second: Cluster, checkout: Path) -> None:
    keeper = keeper_of(checkout).keeper
    [forward] = [pid for pid in children(keeper) if "mldeploy.cluster.forward" in command_line(pid)]
    os.kill(forward, signal.SIGKILL)
    await_true(lambda: second.status().node == "Ready", "the API answers through a new forward", timeout_s=20)


def children(parent: int) -> list[int]:
    entries = [entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [int(entry.name) for entry in entries if f"\nPPid:\t{parent}\n" in read(entry / "status")]


def command_line(pid: int) -> str:
    return read(Path(f"/proc/{pid}/cmdline")).replace("\0", " ")


def read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def test_down_leaves_nothing_and_a_restored_cluster_is_new(second: Cluster, checkout: Path) -> None:
    other = kubectl_for(second.kubeconfig)
    other("create", "configmap", "-n", "default", "gone", "--from-literal=a=b")
    place = layout(checkout, NAME)
    assert traces(checkout.name, NAME).processes
    seen = processes.of(keeper_of(checkout).first)
    assert len(seen) > 10
    port = keeper_of(checkout).port
    done = mldeploy(checkout, "cluster", "down", "--name", NAME)
    assert "Ending cluster" in done.stderr
    left = traces(checkout.name, NAME)
    assert not left.processes
    assert not left.mounts
    assert not left.cgroups
    assert not [one for one in seen if f"NSpid:\t{one.pid}\t{one.inner}\n" in read(Path(f"/proc/{one.pid}/status"))]
    assert not place.node.exists()
    assert not place.kubeconfig.exists()
    mldeploy(checkout, "cluster", "down", "--name", NAME)
    second.up(Quiet())
    assert keeper_of(checkout).port == port, "the port is kept while it is free"
    assert "NotFound" in other("get", "configmap", "-n", "default", "gone", ok=(1,))


def test_the_end_of_the_first_process_ends_everything_and_up_goes_on(second: Cluster, checkout: Path) -> None:
    other = kubectl_for(second.kubeconfig)
    other("create", "configmap", "-n", "default", "kept", "--from-literal=a=b")
    first = keeper_of(checkout).first
    place = layout(checkout, NAME)
    os.kill(first, signal.SIGKILL)
    await_nothing(checkout)
    # The keeper is the last to go.
    assert record.wait_until_ended(place, 10)
    assert second.status().state == "stopped"
    second.up(Quiet())
    other("get", "configmap", "-n", "default", "kept")


def test_the_end_of_the_keeper_ends_everything_and_up_goes_on(second: Cluster, checkout: Path) -> None:
    os.kill(keeper_of(checkout).keeper, signal.SIGKILL)
    await_nothing(checkout)
    second.up(Quiet())
    assert second.status().state == "ready"


def await_nothing(checkout: Path) -> None:
    """Wait until the host has nothing of the cluster, without anybody's help."""

    def nothing() -> bool:
        left = traces(checkout.name, NAME)
        return not (left.processes or left.mounts or left.cgroups)

    await_true(nothing, "no process, mount or cgroup of the cluster is left", timeout_s=20)


def test_up_while_the_api_server_is_away_keeps_what_is_deployed(second: Cluster, checkout: Path) -> None:
    other = kubectl_for(second.kubeconfig)
    other("create", "configmap", "-n", "default", "stays", "--from-literal=a=b")
    first = keeper_of(checkout).first
    server = component(second.status(), "kube-apiserver")
    assert server, "the API server runs"
    os.kill(server, signal.SIGKILL)
    second.up(Quiet())
    assert keeper_of(checkout).first == first, "nothing but the API server was started again"
    other("get", "configmap", "-n", "default", "stays")


def test_only_one_may_change_a_cluster(second: Cluster, checkout: Path) -> None:
    with record.locked(layout(checkout, NAME)):
        with pytest.raises(RefusedError, match=f"process {os.getpid()}.*is changing it"):
            second.up(Quiet())
        refused = mldeploy(checkout, "cluster", "down", "--name", NAME, ok=(3,))
    assert "wait for it to end" in refused.stderr


def test_another_port_than_the_running_ones_is_refused(second: Cluster) -> None:
    with pytest.raises(MldeployError, match="runs on port"):
        second.up(Quiet(), port=1)


def test_an_interrupted_start_is_repaired_by_the_next(checkout: Path) -> None:
    place = layout(checkout, NAME)
    open_cluster(checkout, name=NAME).down(Quiet())
    for moment in (place.record, place.node / "etcd", place.node / "kubelet"):
        words = [sys.executable, "-m", "mldeploy.cli.main", "cluster", "up", "--name", NAME]
        began = time.time_ns()
        starting = process.start(words, cwd=checkout, stderr=-3)
        deadline = time.monotonic() + 60
        # The one that was interrupted before may have left it, too.
        while not (moment.exists() and moment.stat().st_mtime_ns > began) and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(starting.pid, signal.SIGINT)
        assert starting.wait(30) == 130
        await_nothing(checkout)
    open_cluster(checkout, name=NAME).up(Quiet())
    assert open_cluster(checkout, name=NAME).status().state == "ready"


def test_a_killed_start_is_repaired_by_down(checkout: Path) -> None:
    place = layout(checkout, NAME)
    opened = open_cluster(checkout, name=NAME)
    opened.down(Quiet())
    words = [sys.executable, "-m", "mldeploy.cli.main", "cluster", "up", "--name", NAME]
    starting = process.start(words, cwd=checkout, stderr=-3)
    await_true((place.node / "etcd").exists, "the start is half-way")
    starting.kill()
    starting.wait()
    opened.down(Quiet())
    await_nothing(checkout)
    assert not place.node.exists()


def test_a_full_disk_is_said_before_anything_starts(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    script = (
        'mount -t tmpfs -o size=20m tmpfs "$1" && mkdir "$1/deployments" && touch "$1/deployments/base.yaml" && '
        'cd "$1" && exec "$2" -m mldeploy.cli.main cluster up'
    )
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", str(small), sys.executable]
    done = process.run(words, timeout_s=60, ok=(2,))
    assert "GB free, a cluster needs" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_named(checkout: Path, cluster: Cluster) -> None:
    port = cluster.status().server.rpartition(":")[2]
    done = mldeploy(checkout, "cluster", "up", "--name", "third", "--port", port, ok=(2,))
    assert f"port {port} on 127.0.0.1 is taken" in done.stderr
    assert not record.running(layout(checkout, "third"))
