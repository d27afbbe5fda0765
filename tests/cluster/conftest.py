"""A real node and an API server for the tests of this tier."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from mldeploy.cluster import ApiServer, Cluster, api_server, archive
from mldeploy.progress import Quiet
from mldeploy.toolchain import tool
from mldeploy.up.place import Place
from mldeploy.up.stores import install_operator, install_store
from tests.cluster.deploying import ROOT
from tests.cluster.support import Kubectl, fresh_cluster, kubectl_for

TOOLBOX = "localhost/mldeploy/test-toolbox"


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A node for all tests of the session, named for this process."""
    with fresh_cluster(f"test-{os.getpid()}") as started:
        yield started


@pytest.fixture(scope="session")
def operator(cluster: Cluster) -> Place:
    """The External Secrets Operator on the session's node, as `mldeploy up` installs it."""
    place = Place(ROOT, cluster, Quiet())
    install_operator(place)
    return place


@pytest.fixture(scope="module")
def store(operator: Place) -> Place:
    """dev's store, seeded."""
    install_store(operator, "dev")
    return operator


@pytest.fixture(scope="session")
def kubectl(cluster: Cluster) -> Kubectl:
    return kubectl_for(cluster.kubeconfig)


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """etcd and kube-apiserver alone, for all tests of the session that need no node."""
    with api_server(tmp_path_factory.mktemp("api"), f"api-{os.getpid()}") as started:
        yield started


@pytest.fixture(scope="session")
def toolbox(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image with kubectl as its only file: an HTTP server (`proxy`), a client and something to exec."""
    path = tmp_path_factory.mktemp("toolbox") / "toolbox.tar"
    archive.write(path, (archive.Image(TOOLBOX, tool("kubectl").resolve(), ("/kubectl",)),))
    cluster.load_image(path, Quiet())
    return next(iter(archive.contents(path)))
