"""Fresh clusters for tests, the proof that nothing of them is left, and what tests ask of a cluster."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from mldeploy import process
from mldeploy.cluster import Cluster, open_cluster
from mldeploy.cluster.cgroups import hierarchies
from mldeploy.progress import Quiet
from mldeploy.toolchain import tool


@dataclass(frozen=True)
class Traces:
    """What a cluster could leave on its host."""

    interfaces: frozenset[str]
    rules: frozenset[str]
    mounts: frozenset[str]
    cgroups: frozenset[str]
    processes: frozenset[str]


def traces(marker: str, name: str) -> Traces:
    """Look at the host: all interfaces and firewall rules; mounts and processes by `marker`, cgroups by the cluster."""
    links = json.loads(process.run(["ip", "-json", "link"], timeout_s=10).stdout)
    rules = process.run(["iptables-save"], timeout_s=10).stdout.splitlines()
    mounts = Path("/proc/self/mounts").read_text("utf-8").splitlines()
    tops = [one.mount for one in hierarchies()]
    cgroups = {str(path) for top in tops for path in top.iterdir() if path.name.startswith(f"mldeploy-{name}-")}
    return Traces(
        interfaces=frozenset(link["ifname"] for link in links),
        rules=frozenset(rule for rule in rules if rule.startswith("-A")),
        mounts=frozenset(line for line in mounts if marker in line),
        cgroups=frozenset(cgroups),
        processes=frozenset(_command_lines(marker)),
    )


def _command_lines(marker: str) -> Iterator[str]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                text = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                where = (entry / "cwd").readlink()
            except OSError:
                continue
            if marker in text or marker in str(where):
                yield f"{entry.name} {text}"


def await_true(condition: Callable[[], bool], what: str, *, timeout_s: float = 60.0) -> None:
    """Wait until `condition` holds; fail, saying for what, when it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not so after {timeout_s:g} s: {what}"
        time.sleep(0.1)


class Kubectl(Protocol):
    """Runs kubectl with the cluster's kubeconfig and gives what it wrote to stdout."""

    def __call__(self, *arguments: str, input_text: str | None = None, ok: tuple[int, ...] = (0,)) -> str: ...


def kubectl_for(kubeconfig: Path) -> Kubectl:
    def run(*arguments: str, input_text: str | None = None, ok: tuple[int, ...] = (0,)) -> str:
        words = [str(tool("kubectl")), "--kubeconfig", str(kubeconfig), *arguments]
        done = process.run(words, timeout_s=400, ok=ok, input_text=input_text)
        return done.stdout + ("" if done.returncode == 0 else done.stderr)

    return run


def with_kinds(kubectl: Kubectl, crds: Path) -> None:
    """Have an API server know the kinds of a file; other tests of the session may have done so."""
    kubectl("apply", "--server-side", "-f", str(crds))
    kubectl("wait", "-f", str(crds), "--for=condition=Established", "--timeout=60s")


def with_namespace(kubectl: Kubectl, name: str) -> None:
    """Have an API server hold a namespace; other tests of the session may have made it."""
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    kubectl("apply", "--server-side", "-f", "-", input_text=json.dumps(manifest))


@contextmanager
def fresh_cluster(name: str) -> Iterator[Cluster]:
    """Start a cluster in a state folder of its own; afterwards nothing of it may be left."""
    # Not below pytest's own folder: a checkout may be anywhere, and a deep path is no reason to fail.
    root = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    before = traces(root.name, name)
    opened = open_cluster(root, name=name)
    try:
        opened.up(Quiet())
        assert traces(root.name, name).cgroups, "a running cluster shows in what is looked at"
        yield opened
    finally:
        opened.down(Quiet())
        after = traces(root.name, name)
        shutil.rmtree(root)
    assert after == before, "the cluster left something behind"


def restricted_pod(name: str, image: str, *args: str, labels: dict[str, str] | None = None) -> dict[str, Any]:
    """Give a pod that a namespace with Pod Security `restricted` accepts."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels or {"app": name}},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "main",
                    "image": image,
                    "args": list(args),
                    "env": [{"name": "HOME", "value": "/tmp"}],
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        },
    }
