"""An API server alone (with its store): for server-side dry runs, schemas and conflicts, where no pod has to run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ApiServer:
    """A running API server.

    Attributes:
        kubeconfig: the administrator's, for its one context.
        context: that context.
        server: its address.
    """

    kubeconfig: Path
    context: str
    server: str


@contextmanager
def api_server(folder: Path, name: str = "api") -> Iterator[ApiServer]:
    """Run etcd and kube-apiserver for the length of a block, in namespaces of their own.

    Args:
        folder: where their state goes, in a folder `name` of its own that is removed again.
        name: of the cluster; its context is `mldeploy-<name>`.

    Raises:
        RefusedError: another mldeploy uses the same folder and name.
        MldeployError: the API server cannot be started.
    """
    from mldeploy.cluster import host, machine, node, record
    from mldeploy.cluster.layout import Layout, checked_name
    from mldeploy.progress import Quiet
    from mldeploy.toolchain import group_folder

    place = Layout(folder / checked_name(name), name)
    host.check(place.folder, whole_node=False)
    programs = group_folder("cluster")
    with record.locked(place):
        machine.end(place)
        machine.remove_files(place)
        try:
            node.up(node.plan(place, programs, whole_node=False), None, Quiet())
            found = record.read(place)
            port = found.port if found else 0
            yield ApiServer(place.kubeconfig, place.context, f"https://127.0.0.1:{port}")
        finally:
            machine.end(place)
            shutil.rmtree(place.folder, ignore_errors=True)
