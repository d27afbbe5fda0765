"""How long a cluster takes to start: from nothing, and from its own snapshot; beside kwokctl where that is given.

    sudo python benchmarks/cluster_start.py [--runs 10] [--kwokctl FOLDER]

FOLDER has kwokctl and kwok (`go install sigs.k8s.io/kwok/cmd/{kwok,kwokctl}`). kwokctl starts the same etcd,
kube-apiserver, controller-manager and scheduler, but no kubelet, no container runtime and no network: its nodes are
simulated, so its time is that of a control plane alone, to be compared with "API ready". Each run of it has a network
namespace of its own, as ours has.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mldeploy import process
from mldeploy.cluster import open_cluster
from mldeploy.progress import Step
from mldeploy.toolchain import group_folder, tool

_TIMEOUT_S = 600
# What is there when `up` says that it goes on to something else. A cluster that is restored waits for its node first.
_MARKS = {
    "waiting for the API server's own checks": "API ready",
    "waiting for the node": "node",
    "waiting for cluster DNS": "DNS",
}
_PEER = """
set -eu
ip link set lo up
# kube-apiserver as kwokctl starts it wants a default route; this one leads nowhere.
ip link add bench0 type bridge
ip address add 10.201.0.1/24 dev bench0
ip link set bench0 up
ip route add default via 10.201.0.2 dev bench0
mkdir -p "$2/bin"
for name in kube-apiserver kube-controller-manager kube-scheduler; do ln -sf "$3/kube-node" "$2/bin/$name"; done
ln -s "$4" "$2/bin/kubectl"
exec env HOME="$2" PATH="$2/bin:$PATH" "$1/kwokctl" create cluster --name bench --runtime binary --wait 120s \
  --etcd-binary "$3/etcd" --kube-apiserver-binary "$2/bin/kube-apiserver" \
  --kube-controller-manager-binary "$2/bin/kube-controller-manager" \
  --kube-scheduler-binary "$2/bin/kube-scheduler" --kwok-controller-binary "$1/kwok"
"""


class Clock:
    """Progress that notes when each part was reached, in seconds since it was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._awaited = ""
        self.reached: dict[str, float] = {}

    @contextmanager
    def step(self, title: str, *, key: str | None = None) -> Iterator[Step]:  # noqa: ARG002 - the protocol's
        """See `mldeploy.progress.Progress.step`."""
        yield self
        self.update("")

    def update(self, detail: str, *, done: float | None = None) -> None:  # noqa: ARG002 - the protocol's
        """See `mldeploy.progress.Step.update`."""
        if self._awaited in _MARKS:
            self.reached.setdefault(_MARKS[self._awaited], time.monotonic() - self._began)
        self._awaited = detail

    def note(self, text: str) -> None:
        """See `mldeploy.progress.Progress.note`."""


def main(argv: Sequence[str]) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--kwokctl", type=Path, help="folder with kwokctl and kwok")
    options = parser.parse_args(argv)
    root = Path(tempfile.mkdtemp(prefix="mldeploy-bench-"))
    cluster = open_cluster(root, name="bench")
    fresh: list[dict[str, float]] = []
    restored: list[dict[str, float]] = []
    peer: list[float] = []
    try:
        # The first one fills the page cache and writes the images' archive; it does not count.
        for run in range(options.runs + 1):
            shutil.rmtree(root / ".mldeploy", ignore_errors=True)
            for times in (fresh, restored):
                clock = Clock()
                cluster.up(clock)
                cluster.down(Clock())
                if run:
                    times.append(clock.reached)
            if options.kwokctl:
                seconds = _kwokctl(options.kwokctl.resolve())
                if run:
                    peer.append(seconds)
    finally:
        cluster.down(Clock())
        shutil.rmtree(root)
    version = process.run([tool("kubectl"), "version", "--client"], timeout_s=30).stdout.split()[2]
    load = os.getloadavg()[0]
    print(
        f"Kubernetes {version}, {os.cpu_count()} CPUs, load {load:.1f}; {options.runs} starts each, medians in seconds"
    )
    for name, times in (("from nothing", fresh), ("from its snapshot", restored)):
        row = {part: statistics.median(one[part] for one in times) for part in ("API ready", "node", "DNS")}
        print(f"{name:<18} " + "   ".join(f"{part} {seconds:.2f}" for part, seconds in row.items()))
    if peer:
        ours, theirs = statistics.median(one["API ready"] for one in fresh), statistics.median(peer)
        known = process.run([options.kwokctl / "kwokctl", "--version"], timeout_s=30).stdout.strip()
        print(f"{known}: control plane {theirs:.2f}; ours has its API ready in {ours / theirs:.2f} of that")


def _kwokctl(folder: Path) -> float:
    home = tempfile.mkdtemp(prefix="mldeploy-bench-kwok-")
    namespaces = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"]
    words = ["sh", "-c", _PEER, "sh", str(folder), home, str(group_folder("cluster")), str(tool("kubectl"))]
    try:
        return process.run([*namespaces, *words], timeout_s=_TIMEOUT_S).seconds
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
