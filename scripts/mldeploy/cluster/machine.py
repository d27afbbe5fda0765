"""Starts and ends a cluster's namespaces, through its keeper."""

from __future__ import annotations

import errno
import json
import os
import secrets
import select
import shutil
import socket
import sys
import time
from pathlib import Path

from mldeploy import process
from mldeploy.cluster import cgroups, record
from mldeploy.cluster.keeper import Order
from mldeploy.cluster.layout import NODE_NETWORK, SERVICE_NETWORK, Layout
from mldeploy.errors import MldeployError
from mldeploy.toolchain.packages import PATH

Listener = socket.socket

_SCRIPT = Path(__file__).with_name("inside.sh")
_PACKAGES = Path(__file__).parents[2]
_MOUNTS = Path("/proc/self/mounts")
_KEEPER_S = 30.0
_END_S = 15.0
_PAUSE_S = 0.02


def listen(place: Layout, port: int | None) -> socket.socket:
    """Take the port on 127.0.0.1: the one asked for, else the last run's when it is free, else any.

    Raises:
        MldeployError: the port that was asked for is taken.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # Otherwise the connections of the last run keep the port for a minute.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if port is not None:
        try:
            listener.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            listener.close()
            taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
            raise MldeployError(
                f"port {port} on 127.0.0.1 is taken" if taken else f"port {port} cannot be used ({error})",
                remedy="choose another with --port, or leave the option out for a free one",
            ) from error
        return listener
    try:
        listener.bind(("127.0.0.1", int(place.port.read_text("ascii"))))
    except (OSError, ValueError, OverflowError):
        listener.bind(("127.0.0.1", 0))
    return listener


def launch(place: Layout, listener: socket.socket, *, cgroup: str) -> int:
    """Start the keeper, and through it the namespaces with the supervisor.

    Args:
        place: the cluster's files; the services are written.
        listener: the host's end of the forward.
        cgroup: the cluster's own, "" for none.

    Returns:
        The host's number of the namespaces' first process.

    Raises:
        MldeployError: a keeper runs already, or it could not do its work.
    """
    alive = record.alive_lock(place)
    if alive is None:
        raise MldeployError(f"cluster {place.name} runs already", remedy="run mldeploy cluster down")
    port = int(listener.getsockname()[1])
    record.write(place, record.Record(cgroup=cgroup, port=port))
    ready_in, ready_out = os.pipe()
    order = Order(
        record=str(place.folder),
        cgroup=cgroup,
        port=port,
        listen_fd=listener.fileno(),
        ready_fd=ready_out,
        script=(str(_SCRIPT), NODE_NETWORK, SERVICE_NETWORK, PATH),
    )
    try:
        with place.keeper_log.open("w", encoding="utf-8") as log:
            keeper = process.start(
                [sys.executable, "-m", "mldeploy.cluster.keeper", json.dumps(order.__dict__)],
                cwd=Path("/"),
                env={"PYTHONPATH": str(_PACKAGES), "PATH": PATH},
                stdout=log,
                stderr=log,
                pass_fds=[listener.fileno(), ready_out, alive],
            )
    finally:
        # The keeper has the lock now: it belongs to the open file, which ends with the last process that has it.
        os.close(alive)
        os.close(ready_out)
        listener.close()
    with os.fdopen(ready_in, "r", encoding="ascii") as ready:
        if select.select([ready], [], [], _KEEPER_S)[0] and (line := ready.readline().strip()):
            return int(line)
    process.terminate(keeper)
    said = place.keeper_log.read_text("utf-8", "replace").strip()
    raise MldeployError(f"cluster {place.name}: its namespaces could not be made\n{said}", remedy="run mldeploy doctor")


def new_cgroup(place: Layout) -> str:
    """Give a name for a cgroup that no other cluster of this machine has, whatever root file system that one is in."""
    return f"mldeploy-{place.name}-{secrets.token_hex(4)}"


def end(place: Layout) -> None:
    """End whatever runs of a cluster, whole or half-started, and remove what it had besides files.

    Raises:
        MldeployError: something would not end; the message names it.
    """
    found = record.read(place)
    if record.running(place):
        _end_running(place, found)
        found = record.read(place)
    if found is not None and found.cgroup:
        left = cgroups.remove(found.cgroup)
        if left:
            raise MldeployError(
                f"{left[0]}: cannot be removed, processes are still in it",
                remedy="end the processes that its cgroup.procs lists, then run mldeploy cluster down",
            )
    place.record.unlink(missing_ok=True)
    (place.folder / "alive").unlink(missing_ok=True)


def remove_files(place: Layout) -> None:
    """Remove the node's files; nothing may be running or mounted.

    Raises:
        MldeployError: something is mounted below them.
    """
    for line in _MOUNTS.read_text("utf-8").splitlines():
        where = line.split()[1].encode().decode("unicode_escape")
        if where.startswith(f"{place.node}/"):
            raise MldeployError(f"{where} is mounted", remedy=f"umount {where}")
    shutil.rmtree(place.node, ignore_errors=True)
    place.kubeconfig.unlink(missing_ok=True)


def _end_running(place: Layout, found: record.Record | None) -> None:
    deadline = time.monotonic() + _KEEPER_S
    while found is None or found.keeper == 0:
        # It was started a moment ago, and by somebody who was killed: it says who it is as soon as it can.
        if time.monotonic() > deadline or not record.running(place):
            break
        time.sleep(_PAUSE_S)
        found = record.read(place)
    if found is None or not record.running(place):
        return
    # Nothing has to be saved, since all of it is removed: the end of the first process is the end of every other one
    # in its namespaces, at once. (kube-apiserver alone may take a minute over a polite request.)
    record.kill(found.first or found.keeper)
    if not record.wait_until_ended(place, _END_S):
        record.kill(found.keeper)
        if not record.wait_until_ended(place, _END_S):
            raise MldeployError(
                f"cluster {place.name}: process {found.keeper} does not end", remedy=f"see {place.keeper_log}"
            )
