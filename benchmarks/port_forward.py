"""What a port-forward costs, beside kubectl's and beside no forward at all, in the same run.

    python benchmarks/port_forward.py                      latency and throughput, ten rounds
    python benchmarks/port_forward.py --replacements 100   how soon a new pod is reached, too

Needs an embedded cluster with dev deployed (`scripts/up`). The far end is ml-batch's Redis, so that the server's own
work is next to nothing. Each round asks the three in turn, each time from a process of its own: PING on an open
connection and on new ones (median), GET of 8 MB values and EXISTS of 8 MB keys (down and up). "Direct" is asked in the
cluster's own network.
"""

from __future__ import annotations

import argparse
import json
import platform
import socket
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mldeploy import paths, process
from mldeploy.cluster import Cluster, open_cluster
from mldeploy.smoke import forward
from mldeploy.smoke.kube import connect, core, disconnect
from mldeploy.toolchain import tool

_SERVICE, _PORT = "dev-ml-batch-redis", 6379
_API, _API_PORT = "dev-ml-api", 8000
_PINGS, _CONNECTIONS, _BULK, _TRANSFERS = 500, 200, 8_000_000, 25
_KEY = b"benchmark"
_DEADLINE_S = 60.0


def _command(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def _answer(reader: Any) -> None:
    """Read one answer, whatever it is."""
    line: bytes = reader.readline()
    if line[:1] not in b"+:$" or not line.endswith(b"\r\n"):
        raise ConnectionError(f"Redis answered {line[:100]!r}")
    if line[:1] == b"$" and not line.startswith(b"$-1"):
        left = int(line[1:]) + 2
        while left:
            left -= len(reader.read1(min(left, 1 << 18)))


def probe(host: str, port: int) -> dict[str, float]:
    """Measure one way to Redis: milliseconds and MB/s."""
    with socket.create_connection((host, port), _DEADLINE_S) as sock, sock.makefile("rb", 1 << 18) as reader:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pings = []
        for _ in range(_PINGS):
            began = time.perf_counter()
            sock.sendall(_command(b"PING"))
            _answer(reader)
            pings.append(time.perf_counter() - began)
        sock.sendall(_command(b"SET", _KEY, b"x" * _BULK))
        _answer(reader)
        began = time.perf_counter()
        for _ in range(_TRANSFERS):
            sock.sendall(_command(b"GET", _KEY))
            _answer(reader)
        down = time.perf_counter() - began
        key = _command(b"EXISTS", b"y" * _BULK)
        began = time.perf_counter()
        for _ in range(_TRANSFERS):
            sock.sendall(key)
            _answer(reader)
        up = time.perf_counter() - began
        sock.sendall(_command(b"DEL", _KEY))
        _answer(reader)
    connections = []
    for _ in range(_CONNECTIONS):
        began = time.perf_counter()
        with socket.create_connection((host, port), _DEADLINE_S) as sock, sock.makefile("rb") as reader:
            sock.sendall(_command(b"PING"))
            _answer(reader)
        connections.append(time.perf_counter() - began)
    volume = _BULK * _TRANSFERS / 1e6
    return {
        "ping ms": statistics.median(pings) * 1e3,
        "connect+ping ms": statistics.median(connections) * 1e3,
        "down MB/s": volume / down,
        "up MB/s": volume / up,
    }


@contextmanager
def _kubectl(cluster: Cluster) -> Iterator[int]:
    words = [str(tool("kubectl")), "--kubeconfig", str(cluster.kubeconfig), "--context", cluster.context]
    where = ["port-forward", "--namespace", "dev", f"svc/{_SERVICE}", f":{_PORT}"]
    child = process.start([*words, *where], stdout=-1)
    try:
        assert child.stdout is not None
        line = child.stdout.readline()  # Forwarding from 127.0.0.1:40123 -> 6379
        # What it says of each connection is read, or it would wait for somebody to.
        threading.Thread(target=child.stdout.read, daemon=True).start()
        yield int(line.split("->")[0].rpartition(":")[2])
    finally:
        process.terminate(child)


@contextmanager
def _ours(cluster: Cluster) -> Iterator[int]:
    words = [sys.executable, "-m", "mldeploy.cli.main", "forward", "dev", "ml-batch"]
    options = ["--kubeconfig", str(cluster.kubeconfig), "--context", cluster.context]
    child = process.start([*words, *options], cwd=paths.checkout(), stdout=-1)
    try:
        assert child.stdout is not None
        yield int(child.stdout.readline().rpartition(":")[2])
    finally:
        process.terminate(child)


def _ask(host: str, port: int, *prefix: str) -> dict[str, float]:
    words = [*prefix, sys.executable, __file__, "--probe", f"{host}:{port}"]
    answer: dict[str, float] = json.loads(process.run(words, timeout_s=600).stdout)
    return answer


def compare(cluster: Cluster, rounds: int) -> None:
    """Ask directly, through kubectl and through ours in turn, and print medians."""
    api = connect(cluster.kubeconfig, cluster.context)
    address = core(api).read_namespaced_service(_SERVICE, "dev").spec.cluster_ip
    disconnect(api)
    inside = ["nsenter", "--target", str(cluster.status().first_pid), "--net"]
    found: dict[str, list[dict[str, float]]] = {"direct": [], "kubectl": [], "mldeploy": []}
    with _kubectl(cluster) as theirs, _ours(cluster) as ours:
        for _ in range(rounds):
            found["direct"].append(_ask(address, _PORT, *inside))
            found["kubectl"].append(_ask("127.0.0.1", theirs))
            found["mldeploy"].append(_ask("127.0.0.1", ours))
    medians = {
        way: {key: statistics.median(one[key] for one in all_) for key in all_[0]} for way, all_ in found.items()
    }
    print(f"{'':<16}{'direct':>10}{'kubectl':>10}{'mldeploy':>10}")
    for key in medians["direct"]:
        print(f"{key:<16}" + "".join(f"{medians[way][key]:>10.2f}" for way in medians))
    for key in ("ping ms", "connect+ping ms"):
        print(f"added to {key}: {medians['mldeploy'][key] - medians['direct'][key]:.2f} ms (at most 3 is asked for)")
    for key in ("down MB/s", "up MB/s"):
        print(
            f"{key}: {medians['mldeploy'][key] / medians['kubectl'][key]:.2f} times kubectl's (at least 1 is asked for)"
        )


def _reached(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=_DEADLINE_S)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def replace(cluster: Cluster, times: int) -> None:
    """Delete ml-api's pod again and again; print how long after the next one's readiness it answers."""
    from kubernetes.watch import Watch

    api = connect(cluster.kubeconfig, cluster.context)
    delays = []
    with forward(cluster.kubeconfig, cluster.context, "dev", f"svc/{_API}", _API_PORT) as one:
        for number in range(times):
            while not _reached(one.port) or not (old := one.pod):
                time.sleep(0.01)
            ready_at: list[float] = []

            def watch(old: str = old, ready_at: list[float] = ready_at) -> None:
                labels = f"app.kubernetes.io/instance={_API}"
                for event in Watch().stream(  # type: ignore[no-untyped-call]
                    core(api).list_namespaced_pod, "dev", label_selector=labels, timeout_seconds=int(_DEADLINE_S)
                ):
                    pod = event["object"]
                    ready = any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or [])
                    if ready and pod.metadata.name != old and pod.metadata.deletion_timestamp is None:
                        ready_at.append(time.monotonic())
                        return

            watcher = threading.Thread(target=watch)
            watcher.start()
            core(api).delete_namespaced_pod(old, "dev", grace_period_seconds=0 if number % 2 else 5)
            while one.pod in {old, ""} or not _reached(one.port):
                time.sleep(0.005)
            answered = time.monotonic()
            watcher.join()
            delays.append(answered - ready_at[0])
    disconnect(api)
    within = sum(delay <= 1 for delay in delays)
    print(f"{within} of {times} replaced pods answered within 1 s of being ready; ", end="")
    print(f"median {statistics.median(delays) * 1e3:.0f} ms, slowest {max(delays) * 1e3:.0f} ms")


def main(argv: Sequence[str]) -> None:
    """Run the benchmark, or one probe of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--replacements", type=int, default=0, metavar="N")
    parser.add_argument("--cluster", default="local", help="the embedded cluster's name")
    parser.add_argument("--probe", default="", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.probe:
        host, _, port = options.probe.rpartition(":")
        print(json.dumps(probe(host, int(port))))
        return
    cluster = open_cluster(paths.checkout(Path(__file__).parent), name=options.cluster)
    client = json.loads(process.run([tool("kubectl"), "version", "--client", "-o", "json"], timeout_s=30).stdout)
    print(f"kubectl {client['clientVersion']['gitVersion']}, mldeploy {version('mldeploy')}, ", end="")
    print(f"Python {platform.python_version()}; {options.rounds} rounds, medians")
    if options.rounds:
        compare(cluster, options.rounds)
    if options.replacements:
        replace(cluster, options.replacements)


if __name__ == "__main__":
    main(sys.argv[1:])
