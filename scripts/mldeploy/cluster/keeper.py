"""The keeper: a cluster's one process on the host. Starts the namespaces and the forward, and cleans up after both.

It dies with nothing left: a killed keeper takes the namespaces with it (the kernel signals the child of a process that
ends), and the forward removes the cgroups; killed namespaces end the keeper, which removes them itself.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from mldeploy import process
from mldeploy.cluster import cgroups, record
from mldeploy.cluster.layout import Layout

_READY_S = 20.0
_RESTART_PAUSE_S = 0.2


@dataclass(frozen=True)
class Order:
    """What to keep; passed as JSON in the one argument.

    Attributes:
        record: the cluster's folder; the keeper writes there who it is.
        cgroup: the cluster's cgroup, "" for none.
        port: the listening socket's.
        listen_fd: the listening socket on the host, inherited.
        ready_fd: where the number of the namespaces' first process goes, inherited.
        script: the first process's script and its arguments.
    """

    record: str
    cgroup: str
    port: int
    listen_fd: int
    ready_fd: int
    script: tuple[str, ...]


def main(argv: list[str]) -> int:
    """Keep one cluster until its first process ends; SIGTERM ends it."""
    order = Order(**json.loads(argv[0]))
    place = record.folder_of(Path(order.record))
    who = record.Record(cgroup=order.cgroup, port=order.port, keeper=os.getpid())
    record.write(place, who)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if order.cgroup:
        cgroups.create(order.cgroup)
    try:
        namespaces, first = _unshare(order, place)
        record.write(place, replace(who, first=first))
        _keep(order, namespaces, first)
    finally:
        if order.cgroup:
            left = cgroups.remove(order.cgroup)
            for folder in left:
                sys.stderr.write(f"keeper: {folder} cannot be removed: processes are still in it\n")
    return 0


def _unshare(order: Order, place: Layout) -> tuple[process.Child, int]:
    """Start the namespaces; give the process that holds them, and the host's number of their first process."""
    said_in, said_out = os.pipe()
    namespaces = process.start(
        [
            *("setpriv", "--pdeathsig", "KILL"),
            *("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"),
            *("sh", *order.script),
        ],
        cwd=place.node,
        stdout=said_out,
    )
    os.close(said_out)
    with os.fdopen(said_in, "r", encoding="ascii") as said:
        if select.select([said], [], [], _READY_S)[0] and (line := said.readline().strip()):
            return namespaces, int(line)
    process.terminate(namespaces)
    raise SystemExit("keeper: the namespaces could not be made: see the lines above")


def _keep(order: Order, namespaces: process.Child, first: int) -> None:
    first_fd = os.pidfd_open(first)
    # The forward holds the reading end: it learns of this process's end however that comes.
    alive_in, alive_out = os.pipe()
    listener = socket.socket(fileno=order.listen_fd)
    listener.listen(socket.SOMAXCONN)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(first, signal.SIGKILL))
    forward = _forward(order, first, alive_in, first_fd)
    with os.fdopen(order.ready_fd, "w", encoding="ascii") as ready:
        ready.write(f"{first}\n")
    while True:
        poll = select.poll()
        forward_fd = os.pidfd_open(forward.pid)
        poll.register(first_fd, select.POLLIN)
        poll.register(forward_fd, select.POLLIN)
        ended = {descriptor for descriptor, _ in poll.poll()}
        os.close(forward_fd)
        if first_fd in ended:
            namespaces.wait()
            process.terminate(forward)
            os.close(alive_out)
            return
        forward.wait()
        sys.stderr.write(f"keeper: the forward ended with {forward.returncode}; starting it again\n")
        time.sleep(_RESTART_PAUSE_S)
        forward = _forward(order, first, alive_in, first_fd)


def _forward(order: Order, first: int, alive_in: int, first_fd: int) -> process.Child:
    return process.start(
        [
            *("nsenter", f"--net=/proc/{first}/ns/net"),
            *(sys.executable, "-m", "mldeploy.cluster.forward"),
            *(str(order.listen_fd), str(alive_in), str(first_fd), order.cgroup),
        ],
        pass_fds=[order.listen_fd, alive_in, first_fd],
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
