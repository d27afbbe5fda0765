"""How long `helmfile apply` takes when nothing is to be changed: two releases, a process of its own each time.

    python benchmarks/noop_apply.py

Needs an embedded cluster with dev deployed as this checkout has it (`scripts/up`). The peer is the floor: one
`helm list`, which only asks the cluster what is there.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from mldeploy import paths, process
from mldeploy.cluster import open_cluster
from mldeploy.toolchain import tool, tool_environment

_TIMEOUT_S = 600


def main(argv: Sequence[str]) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--cluster", default="local", help="the embedded cluster's name")
    options = parser.parse_args(argv)
    root = paths.checkout(Path(__file__).parent)
    cluster = open_cluster(root, name=options.cluster)
    environment = {**tool_environment(root), "KUBECONFIG": str(cluster.kubeconfig)}
    applies, lists = [], []
    for _ in range(options.runs + 1):
        apply = [str(tool("helmfile")), "--no-color", "--kube-context", cluster.context, "apply", "--detailed-exitcode"]
        # With --detailed-exitcode 2 is "something was changed": then this would measure something else.
        applies.append(process.run(apply, timeout_s=_TIMEOUT_S, cwd=root, env=environment).seconds)
        words = [str(tool("helm")), "list", "--namespace", "dev", "--kube-context", cluster.context]
        lists.append(process.run(words, timeout_s=_TIMEOUT_S, env=environment).seconds)
    helmfile = process.run([tool("helmfile"), "--version"], timeout_s=30).stdout.strip()
    helm = process.run([tool("helm"), "version", "--short"], timeout_s=30).stdout.strip()
    print(f"{helmfile}, helm {helm}; {options.runs} runs after one that does not count, medians")
    apply_s, list_s = statistics.median(applies[1:]), statistics.median(lists[1:])
    print(f"helmfile apply, two releases, nothing changed: {apply_s:.2f} s (1 s is asked for)")
    print(f"helm list: {list_s:.2f} s; the apply is {apply_s / list_s:.1f} times that")


if __name__ == "__main__":
    main(sys.argv[1:])
