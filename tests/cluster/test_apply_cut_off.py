"""An apply that is cut off, however, is repaired by the next one; two at once never meet. On a real node."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mldeploy import process
from mldeploy.cluster import Cluster
from tests.cluster.deploying import Helmfile, helmfile_for, revisions, start_helmfile, this_image
from tests.cluster.support import Kubectl, await_true

RELEASE = "dev-ml-batch"
ONLY = ("--selector", "service=ml-batch")
Change = Callable[[], tuple[str | Path, ...]]


@pytest.fixture(scope="module")
def image(cluster: Cluster) -> tuple[str | Path, ...]:
    return this_image(cluster)


@pytest.fixture(scope="module")
def helmfile(cluster: Cluster, kubectl: Kubectl, image: tuple[str | Path, ...]) -> Iterator[Helmfile]:
    run = helmfile_for(cluster)
    run(*ONLY, "apply", *image)
    yield run
    kubectl("delete", "namespace", "dev", "--wait=true", "--timeout=300s")


@pytest.fixture(scope="module")
def change(image: tuple[str | Path, ...]) -> Change:
    """Give the arguments of an apply that has something to change, each time another."""
    number = 0

    def give() -> tuple[str | Path, ...]:
        nonlocal number
        number += 1
        return (*ONLY, "apply", *image, "--set", f"config.logLevel={'error' if number % 2 else 'warning'}")

    return give


def last(cluster: Cluster) -> str:
    return (revisions(cluster, "dev", RELEASE) or [""])[-1]


def pending(cluster: Cluster) -> bool:
    return last(cluster).startswith("pending-")


def holder(kubectl: Kubectl) -> str:
    lease = json.loads(kubectl("get", "lease", "mldeploy", "-n", "dev", "-o", "json"))
    return str(lease["spec"].get("holderIdentity", ""))


def kill_all(child: process.Child) -> None:
    """What a machine that stops does, or `kill -9` of a CI job."""
    os.killpg(child.pid, signal.SIGKILL)
    child.wait(10)


def kill_helmfile(child: process.Child) -> None:
    """Its helm goes on to its end, with nobody who waits for it."""
    child.kill()
    child.wait(10)


def interrupt(child: process.Child) -> None:
    """Ctrl-C on a terminal: helmfile ends at once, and its helm goes back to what ran before."""
    os.killpg(child.pid, signal.SIGINT)
    assert child.wait(10) == 130


@pytest.mark.parametrize("cut", [kill_all, kill_helmfile, interrupt])
def test_the_next_apply_repairs_what_was_cut_off(
    cut: Callable[[process.Child], None], helmfile: Helmfile, change: Change, cluster: Cluster, kubectl: Kubectl
) -> None:
    wanted = change()
    child = start_helmfile(cluster, *wanted)
    await_true(lambda: pending(cluster), "helm is in the middle of it")
    cut(child)
    helmfile(*wanted)
    assert last(cluster) == "deployed"
    unchanged = [word if word != "apply" else "diff" for word in wanted]
    assert helmfile(*unchanged, "--detailed-exitcode").returncode == 0
    await_true(lambda: not holder(kubectl), "the namespace is free again")


def test_a_first_apply_that_was_cut_off(
    helmfile: Helmfile, image: tuple[str | Path, ...], cluster: Cluster, kubectl: Kubectl
) -> None:
    helmfile(*ONLY, "destroy")
    kubectl("delete", "namespace", "dev", "--wait=true", "--timeout=300s")
    wanted = (*ONLY, "apply", *image)
    child = start_helmfile(cluster, *wanted)
    await_true(lambda: last(cluster) == "pending-install", "helm is in the middle of it")
    kill_all(child)
    helmfile(*wanted)
    assert revisions(cluster, "dev", RELEASE) == ["deployed"]


def test_destroy_after_a_cut(
    helmfile: Helmfile, image: tuple[str | Path, ...], change: Change, cluster: Cluster, kubectl: Kubectl
) -> None:
    child = start_helmfile(cluster, *change())
    await_true(lambda: pending(cluster), "helm is in the middle of it")
    kill_all(child)
    helmfile(*ONLY, "destroy")
    assert revisions(cluster, "dev", RELEASE) == []
    left = json.loads(kubectl("get", "deployments,services,configmaps,hpa,pdb", "-n", "dev", "-o", "json"))["items"]
    assert not [one for one in left if one["metadata"]["name"].startswith(RELEASE)]
    helmfile(*ONLY, "apply", *image)


def test_of_two_at_once_one_wins_and_the_other_says_who(
    helmfile: Helmfile, change: Change, cluster: Cluster, kubectl: Kubectl
) -> None:
    first = change()
    (node,) = kubectl("get", "nodes", "-o", "name").split()
    # The first cannot end before the second has been refused: its new pods find no node.
    kubectl("cordon", node)
    try:
        child = start_helmfile(cluster, *first)
        await_true(lambda: f", process {child.pid} " in holder(kubectl), "the namespace is the first one's")
        refused = helmfile(*change(), ok=(1,))
    finally:
        kubectl("uncordon", node)
    assert "dev is being changed by helmfile apply of " in refused.stderr
    assert f", process {child.pid}, since " in refused.stderr
    assert child.wait(120) == 0
    unchanged = [word if word != "apply" else "diff" for word in first]
    assert helmfile(*unchanged, "--detailed-exitcode").returncode == 0
    helmfile(*change())
    assert last(cluster) == "deployed"
