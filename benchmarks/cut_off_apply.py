"""What becomes of an apply that is killed at a random moment: SIGKILL to helmfile and its helm, then the same again.

    python benchmarks/cut_off_apply.py             50 cuts, and 10 of helmfile without this repository's hooks
    python benchmarks/cut_off_apply.py --cuts 5 --peer-cuts 2 --seed 7

Needs an embedded cluster with dev deployed (`scripts/up`). Each cut is an upgrade of ml-batch, killed between its start
and the time that an upgrade takes when nobody kills it. It converged when the next `helmfile apply` ends with 0 and a
`helmfile diff` after it finds nothing. The peer is the same helmfile on the same charts and values, without hooks.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from mldeploy import paths, process
from mldeploy.cluster import open_cluster
from mldeploy.toolchain import tool, tool_environment

_TIMEOUT_S = 600
_ASKED_S = 60
_RELEASE = "dev-ml-batch"
_ONLY = ("--selector", "service=ml-batch")


@dataclass(frozen=True)
class Cut:
    """One cut: seconds from its start to the kill, whether the next apply mended it, and how long that took."""

    after: float
    converged: bool
    seconds: float


class Deployment:
    """dev by one helmfile on one cluster.

    Args:
        helmfile: the file that says what is deployed.
        context: the kube-context.
        env: variables for helmfile.
        levels: the log levels that changes set, in turn; shared by all who change the same release.
    """

    def __init__(self, helmfile: Path, context: str, env: dict[str, str], levels: Iterator[str]) -> None:
        self._words = [str(tool("helmfile")), "--no-color", "--file", str(helmfile), "--kube-context", context, *_ONLY]
        self._env = env
        self._levels = levels

    def change(self) -> tuple[str, ...]:
        """Give options of an apply that has something to change."""
        return ("--set", f"config.logLevel={next(self._levels)}")

    def run(self, command: str, *options: str) -> process.Completed:
        """Run helmfile to its end, whatever that is."""
        return process.run([*self._words, command, *options], timeout_s=_TIMEOUT_S, ok=range(256), env=self._env)

    def cut(self, after: float) -> Cut:
        """Kill an apply, and apply again."""
        options = self.change()
        with tempfile.TemporaryFile("w+") as said:
            child = process.start([*self._words, "apply", *options], env=self._env, stdout=said, stderr=said)
            time.sleep(after)
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        began = time.monotonic()
        again = self.run("apply", *options)
        seconds = time.monotonic() - began
        clean = self.run("diff", *options, "--detailed-exitcode").returncode == 0
        return Cut(after, again.returncode == 0 and clean, seconds)


def without_hooks(root: Path, folder: Path) -> Path:
    """Write dev's helmfile without the hooks of this repository."""
    base = yaml.safe_load((root / "deployments/base.yaml").read_text("utf-8"))
    del base["templates"]["service"]["hooks"]
    (folder / "base.yaml").write_text(yaml.safe_dump(base), "utf-8")
    environment = {"values": [str(root / "deployments/dev/environment.yaml"), {"root": str(root)}]}
    path = folder / "helmfile.yaml"
    path.write_text(f"bases: [base.yaml]\n---\n{yaml.safe_dump({'environments': {'default': environment}})}", "utf-8")
    return path


def report(name: str, cuts: Sequence[Cut]) -> None:
    """Print one line."""
    mended = [each for each in cuts if each.converged]
    took = f"median {statistics.median(each.seconds for each in mended):.1f} s" if mended else "none"
    longest = max((each.seconds for each in mended), default=0.0)
    print(f"{name:<34} {len(mended)} of {len(cuts)} mended by the next apply; {took}, longest {longest:.1f} s")


def main(argv: Sequence[str]) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cuts", type=int, default=50)
    parser.add_argument("--peer-cuts", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cluster", default="local", help="the embedded cluster's name")
    options = parser.parse_args(argv)
    root = paths.checkout(Path(__file__).parent)
    cluster = open_cluster(root, name=options.cluster)
    env = {**tool_environment(root), "KUBECONFIG": str(cluster.kubeconfig)}
    helmfile = process.run([tool("helmfile"), "--version"], timeout_s=30).stdout.strip()
    helm = process.run([tool("helm"), "version", "--short"], timeout_s=30).stdout.strip()
    moments = random.Random(options.seed)  # noqa: S311 - moments, not keys
    levels = itertools.cycle(("error", "warning"))
    ours = Deployment(root / "deployments/dev/helmfile.yaml", cluster.context, env, levels)
    whole = ours.run("apply", *ours.change())
    assert whole.returncode == 0, whole.stderr
    print(f"{helmfile}, helm {helm}; an upgrade that is not cut: {whole.seconds:.1f} s; seed {options.seed}")
    cuts = [ours.cut(moments.uniform(0, whole.seconds)) for _ in range(options.cuts)]
    report("helmfile apply", cuts)
    print(f"  longest: {max(each.seconds for each in cuts) / _ASKED_S:.2f} of the {_ASKED_S} s that are asked for")
    with tempfile.TemporaryDirectory(prefix="mldeploy-bench-") as folder:
        peer = Deployment(without_hooks(root, Path(folder)), cluster.context, env, levels)
        cuts = []
        for _ in range(options.peer_cuts):
            cuts.append(peer.cut(moments.uniform(0, whole.seconds)))
            if not cuts[-1].converged:
                # By hand, as its user would: the next cut starts from a release that is well.
                words = ["rollback", _RELEASE, "--namespace", "dev", "--kube-context", cluster.context]
                process.run([tool("helm"), *words], timeout_s=_TIMEOUT_S, env=env)
        report("helmfile apply without our hooks", cuts)


if __name__ == "__main__":
    main(sys.argv[1:])
