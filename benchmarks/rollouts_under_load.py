"""Whether a request is lost while ml-api is rolled out, rolled back and drained, with real clients all the time.

    python benchmarks/rollouts_under_load.py              100,000 requests, 200 a second
    python benchmarks/rollouts_under_load.py --requests 20000 --rollouts 4 --rollbacks 1 --drains 1

Needs an embedded cluster with dev deployed (`scripts/up`); dev is left as the repository has it. A rollout is a
`helmfile apply` with another log level, a rollback is helm's, a drain evicts each pod, as far as its budget allows. The
clients are in a pod of the same namespace: half of them keep their connections, half make one for each request, and
nothing is tried again. The control is the same with `drain.delaySeconds=0`: pods that end at once.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mldeploy import paths, process
from mldeploy.cluster import Cluster, open_cluster
from mldeploy.toolchain import tool, tool_environment

_TIMEOUT_S = 600
_RELEASE, _NAMESPACE, _LOAD = "dev-ml-api", "dev", "load"
_STEADY = ("autoscaling.minReplicas=2", "autoscaling.maxReplicas=4", "podDisruptionBudget.enabled=true")
# Prints what happened so far each second; each client asks at its own moments, and catches up where it is late.
_CLIENT = """
import collections, http.client, json, os, sys, threading, time
rate, clients = float(sys.argv[1]), 8
body = json.dumps({"image": [[1] * 8] * 8})
headers = {"content-type": "application/json", "x-api-key": os.environ["KEY"].split()[0]}
seen, lock = collections.Counter(), threading.Lock()
def ask(number):
    keeps, connection = number % 2 == 0, None
    at = time.monotonic() + number / rate
    while True:
        time.sleep(max(0, at - time.monotonic()))
        at += clients / rate
        try:
            if connection is None:
                connection = http.client.HTTPConnection("dev-ml-api", 8000, timeout=10)
            connection.request("POST", "/v1/predict", body, headers)
            answer = connection.getresponse()
            answer.read()
            said = str(answer.status)
        except (OSError, http.client.HTTPException) as error:
            said = type(error).__name__ + (" kept" if keeps else "")
        if connection is not None and (said != "200" or not keeps):
            connection.close()
            connection = None
        with lock:
            seen[said] += 1
for number in range(clients):
    threading.Thread(target=ask, args=(number,), daemon=True).start()
while True:
    time.sleep(1)
    with lock:
        print(json.dumps(seen), flush=True)
"""


class Deployment:
    """dev's ml-api on one cluster, its clients, and what is done to it.

    Args:
        root: the checkout.
        cluster: where dev is deployed.
        settings: of the chart, beside those that the repository has.
    """

    def __init__(self, root: Path, cluster: Cluster, settings: Sequence[str]) -> None:
        self._env = {**tool_environment(root), "KUBECONFIG": str(cluster.kubeconfig)}
        self._kube = ["--kube-context", cluster.context]
        self._root = root
        self._settings = settings
        self._levels = itertools.cycle(("error", "warning"))

    def roll_out(self) -> None:
        """Apply a change of the configuration; every pod is replaced."""
        self.apply(*self._settings, f"config.logLevel={next(self._levels)}")

    def apply(self, *settings: str) -> None:
        """Apply dev's ml-api as the repository has it, with settings."""
        sets = [word for setting in settings for word in ("--set", setting)]
        words = [str(tool("helmfile")), "--no-color", *self._kube, "--selector", "service=ml-api", "apply", *sets]
        process.run(words, timeout_s=_TIMEOUT_S, cwd=self._root, env=self._env)

    def roll_back(self) -> None:
        """Go back to the revision before, as helm does."""
        words = [str(tool("helm")), *self._kube, "rollback", _RELEASE, "--namespace", _NAMESPACE, "--wait"]
        process.run(words, timeout_s=_TIMEOUT_S, env=self._env)

    def drain(self) -> None:
        """Evict each pod, one after the other, as often as the budget makes it wait."""
        for name in self._pods():
            eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
            path = f"/api/v1/namespaces/{_NAMESPACE}/pods/{name}/eviction"
            deadline = time.monotonic() + _TIMEOUT_S
            while True:
                done = self._kubectl("create", "--raw", path, "-f", "-", given=json.dumps(eviction), ok=(0, 1))
                if done.returncode == 0 or "NotFound" in done.stderr:
                    break
                # 429: as long as another pod is away.
                if "Too Many Requests" not in done.stderr and "disruption budget" not in done.stderr:
                    raise SystemExit(done.stderr)
                if time.monotonic() > deadline:
                    raise SystemExit(f"the budget did not let {name} go")
                time.sleep(0.5)
        self._kubectl("rollout", "status", f"deployment/{_RELEASE}", "-n", _NAMESPACE, "--timeout=300s")

    def _pods(self) -> list[str]:
        selector = f"app.kubernetes.io/instance={_RELEASE}"
        names = "jsonpath={.items[*].metadata.name}"
        return self._kubectl("get", "pods", "-n", _NAMESPACE, "-l", selector, "-o", names).stdout.split()

    @contextmanager
    def load(self, rate: float) -> Iterator[None]:
        """Ask it all the time, so many times a second, from a pod of its namespace."""
        self._kubectl("delete", "pod", _LOAD, "-n", _NAMESPACE, "--ignore-not-found", "--wait=true")
        self._kubectl("create", "-n", _NAMESPACE, "-f", "-", given=json.dumps(self._client(rate)))
        try:
            self._kubectl("wait", "pod", _LOAD, "-n", _NAMESPACE, "--for=condition=Ready", "--timeout=120s")
            yield
        finally:
            self._kubectl("delete", "pod", _LOAD, "-n", _NAMESPACE, "--wait=true")

    def seen(self) -> dict[str, int]:
        """Give how many requests had which end so far."""
        last = self._kubectl("logs", _LOAD, "-n", _NAMESPACE, "--tail=1").stdout
        found: dict[str, int] = json.loads(last or "{}")
        return found

    def _client(self, rate: float) -> dict[str, Any]:
        text = self._kubectl("get", "deployment", _RELEASE, "-n", _NAMESPACE, "-o", "json").stdout
        template = json.loads(text)["spec"]["template"]["spec"]
        container = template["containers"][0]
        key = {"secretKeyRef": {"name": _RELEASE, "key": "api-keys"}}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": _LOAD},
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "automountServiceAccountToken": False,
                "securityContext": template["securityContext"],
                "containers": [
                    {
                        "name": "load",
                        "image": container["image"],
                        "command": ["python3", "-c", _CLIENT, str(rate)],
                        "env": [{"name": "KEY", "valueFrom": key}],
                        "securityContext": container["securityContext"],
                    }
                ],
            },
        }

    def _kubectl(self, *words: str, given: str | None = None, ok: Sequence[int] = (0,)) -> process.Completed:
        argv = [str(tool("kubectl")), "--context", self._kube[1], *words]
        return process.run(argv, timeout_s=_TIMEOUT_S, env=self._env, ok=ok, input_text=given)


def under_load(deployment: Deployment, rate: float, requests: int, actions: Sequence[Callable[[], None]]) -> None:
    """Do things under load until they are done and so many requests were made; print one line."""
    with deployment.load(rate):
        began = time.monotonic()
        for act in actions:
            act()
        deadline = time.monotonic() + 2 * requests / rate + _TIMEOUT_S
        while sum(deployment.seen().values()) < requests:
            if time.monotonic() > deadline:
                raise SystemExit(
                    f"the clients have not made {requests} requests in twice the time: {deployment.seen()}"
                )
            time.sleep(1)
        seconds = time.monotonic() - began
        seen = deployment.seen()
    total, lost = sum(seen.values()), {end: count for end, count in sorted(seen.items()) if end != "200"}
    ends = ", ".join(f"{count} {end}" for end, count in lost.items()) or "none"
    print(f"  {sum(lost.values())} of {total} requests lost ({ends}); {total / seconds:.0f} a second", flush=True)


def main(argv: Sequence[str]) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second")
    parser.add_argument("--rollouts", type=int, default=20)
    parser.add_argument("--rollbacks", type=int, default=5)
    parser.add_argument("--drains", type=int, default=5)
    parser.add_argument("--control", type=int, default=5, help="rollouts without the drain settings")
    parser.add_argument("--cluster", default="local", help="the embedded cluster's name")
    options = parser.parse_args(argv)
    root = paths.checkout(Path(__file__).parent)
    cluster = open_cluster(root, name=options.cluster)
    ours = Deployment(root, cluster, _STEADY)
    control = Deployment(root, cluster, [*_STEADY, "drain.delaySeconds=0"])
    helm = process.run([tool("helm"), "version", "--short"], timeout_s=30).stdout.strip()
    try:
        ours.roll_out()
        ours.roll_out()
        what = f"{options.rollouts} rollouts, {options.rollbacks} rollbacks, {options.drains} drains"
        print(f"helm {helm}; {options.rate:g} requests a second\n{what}:", flush=True)
        actions = (
            [ours.roll_out] * options.rollouts + [ours.roll_back] * options.rollbacks + [ours.drain] * options.drains
        )
        under_load(ours, options.rate, options.requests, actions)
        control.roll_out()
        print(f"{options.control} rollouts with drain.delaySeconds=0 (the control):", flush=True)
        under_load(control, options.rate, 0, [control.roll_out] * options.control)
    finally:
        ours.apply()


if __name__ == "__main__":
    main(sys.argv[1:])
