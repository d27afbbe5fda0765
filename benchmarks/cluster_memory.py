"""What an idle cluster holds in memory, by component: each process's share of what several hold (PSS).

    sudo python benchmarks/cluster_memory.py [--settle 60]

There is no peer in this run: kind, k3d and minikube need Docker.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mldeploy.cluster import open_cluster, processes
from mldeploy.progress import Quiet

_ASKED_MB = 800


def main(argv: Sequence[str]) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settle", type=float, default=60, help="seconds between readiness and measuring")
    options = parser.parse_args(argv)
    root = Path(tempfile.mkdtemp(prefix="mldeploy-bench-"))
    cluster = open_cluster(root, name="bench")
    try:
        cluster.up(Quiet())
        time.sleep(options.settle)
        held: Counter[str] = Counter()
        for one in processes.of(cluster.status().first_pid):
            held[one.name] += one.resident
    finally:
        cluster.down(Quiet())
        shutil.rmtree(root)
    for name, resident in held.most_common():
        print(f"{name:<16} {resident / 1e6:6.1f} MB")
    total = sum(held.values()) / 1e6
    print(f"{'all':<16} {total:6.1f} MB, {total / _ASKED_MB:.2f} of the {_ASKED_MB} MB that are asked for")


if __name__ == "__main__":
    main(sys.argv[1:])
