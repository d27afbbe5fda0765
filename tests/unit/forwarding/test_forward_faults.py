"""Faults of servers, tunnels and this machine that a port-forward survives, or gives up on, and says so."""

from __future__ import annotations

import os
import resource
import socket
from pathlib import Path

import pytest

from mldeploy.smoke import forward
from mldeploy.smoke.forward import pump
from tests.fixtures.cluster_api import Cluster, Pod
from tests.unit.forwarding.support import DEADLINE_S, Events, answering, connect, exactly, greeting


def test_the_api_servers_restart_is_survived(cluster: Cluster, kubeconfig: Path) -> None:
    events = Events()
    with answering(b"one") as address:
        cluster.pods = {"one": Pod(address)}
        cluster.set_ready("one")
        with forward(kubeconfig, "", "lab", "svc/web", 80, on_event=events) as one, connect(one.port) as sock:
            assert sock.recv(100) == b"one\n"
            cluster.drop_connections()
            events.wait_for("connection to pod one lost")
            with pytest.raises(ConnectionResetError):
                sock.recv(1)
            events.wait_for("reconnected to pod one")
            assert greeting(one.port) == b"one\n"


def test_a_watch_that_fell_behind_begins_again(cluster: Cluster, kubeconfig: Path) -> None:
    events = Events()
    with answering(b"one") as first, answering(b"two") as second:
        cluster.pods = {"one": Pod(first), "two": Pod(second)}
        cluster.set_ready("one")
        with forward(kubeconfig, "", "lab", "svc/web", 80, on_event=events) as one:
            with cluster.changed:
                cluster.expired = True
                cluster.ready = ("two",)
                cluster.changed.notify_all()
            events.wait_for("reconnected to pod two")
            assert greeting(one.port) == b"two\n"


def test_a_tunnel_that_breaks_in_the_middle_resets_its_connections(cluster: Cluster, kubeconfig: Path) -> None:
    with answering(b"one") as address:
        cluster.pods = {"one": Pod(address, cut_at=50_000)}
        cluster.set_ready("one")
        with forward(kubeconfig, "", "lab", "svc/web", 80) as one, connect(one.port) as sock:
            sock.sendall(b"x" * 100_000)
            with pytest.raises(ConnectionResetError):
                exactly(sock, 100_000)
            assert "the tunnel to pod one was lost" in one.last_failure


def test_a_node_that_ends_its_streams_is_left(cluster: Cluster, kubeconfig: Path) -> None:
    events = Events()
    with answering(b"one") as address:
        cluster.pods = {"one": Pod(address, goes_away=True)}
        cluster.set_ready("one")
        with forward(kubeconfig, "", "lab", "svc/web", 80, on_event=events) as one:
            with connect(one.port) as sock, pytest.raises(ConnectionResetError):
                sock.recv(1)
            events.wait_for("lost (the node ends its streams)")
            cluster.pods["one"] = Pod(address)
            events.wait_for("reconnected")
            assert greeting(one.port) == b"one\n"


def test_a_tunnel_without_answers_is_given_up(
    cluster: Cluster, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump, "_PING_EVERY_S", 0.05)
    monkeypatch.setattr(pump, "_PING_ANSWER_S", 0.2)
    events = Events()
    cluster.pods = {"one": Pod(silent=True)}
    cluster.set_ready("one")
    with forward(kubeconfig, "", "lab", "svc/web", 80, on_event=events) as one, connect(one.port) as sock:
        events.wait_for("lost (no answer for 0.2 s)")
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_nothing_listening_in_the_pod_is_said(cluster: Cluster, kubeconfig: Path) -> None:
    with answering(b"gone") as address:
        pass
    cluster.pods = {"one": Pod(address)}
    cluster.set_ready("one")
    with forward(kubeconfig, "", "lab", "svc/web", 80) as one:
        with connect(one.port) as sock, pytest.raises(ConnectionResetError):
            sock.recv(1)
        assert "pod one" in one.last_failure
        assert "refused" in one.last_failure.lower()


def test_running_out_of_descriptors_is_survived(cluster: Cluster, kubeconfig: Path) -> None:
    events = Events()
    with answering(b"one") as address:
        cluster.pods = {"one": Pod(address)}
        cluster.set_ready("one")
        with forward(kubeconfig, "", "lab", "svc/web", 80, on_event=events) as one, socket.socket() as sock:
            limits = resource.getrlimit(resource.RLIMIT_NOFILE)
            lowest_free = os.dup(sock.fileno())
            os.close(lowest_free)
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, limits[1]))
            try:
                sock.settimeout(DEADLINE_S)
                sock.connect(("127.0.0.1", one.port))
                events.wait_for("a connection cannot be taken: Too many open files")
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            assert sock.recv(100) == b"one\n"
