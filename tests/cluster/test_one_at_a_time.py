"""A namespace is one helmfile's at a time, and what one left unfinished is undone: on an API server, with real helm.

A process that only sleeps stands in for helmfile, so that it can be ended at the moment that is wanted;
`test_apply_cut_off` does the same to the real one.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from mldeploy import process
from mldeploy.cluster import ApiServer
from mldeploy.toolchain import tool, tool_environment
from tests.cluster.deploying import ROOT
from tests.cluster.support import Kubectl, await_true, kubectl_for

COMMAND = ROOT / ".venv" / "bin" / "mldeploy"
RELEASE = "dev-web"
# It never gets a pod here: nobody is there to make one, so helm waits until it is killed.
WAITING = ("--set", "waits=true", "--wait", "--timeout", "120s")
# As helmfile does: it is guarded, then it starts helm, then something ends it.
STARTS_HELM = """
import os, subprocess, sys, time
while not os.path.exists(sys.argv[1]):
    time.sleep(0.02)
subprocess.Popen(sys.argv[2:])
time.sleep(600)
"""


class Bench:
    """One namespace, helm, and processes that stand in for helmfile."""

    def __init__(self, api: ApiServer, folder: Path, namespace: str) -> None:
        self.api, self.folder, self.namespace = api, folder, namespace
        self.kubectl: Kubectl = kubectl_for(api.kubeconfig)
        self.chart = _chart(folder / "chart")
        # What the guard starts has it too, and so is told from the holders of tests that run beside this one.
        self.mark = f"MLDEPLOY_BENCH={namespace}"
        self.env = {**tool_environment(ROOT), "MLDEPLOY_BENCH": namespace}
        self._started: list[process.Child] = []

    def helmfile(self, *helm: str) -> process.Child:
        """Start a stand-in, which starts helm where words for helm are given, once it `goes`."""
        does = [sys.executable, "-c", STARTS_HELM, str(self.folder / "goes"), *self._helm(*helm)]
        argv: list[str | Path] = [*does] if helm else ["sleep", "600"]
        with (self.folder / "said").open("a") as said:
            self._started.append(process.start(argv, env=self.env, stdout=said, stderr=said))
        return self._started[-1]

    def guard(
        self, helmfile: process.Child, *, command: str = "apply", release: str = RELEASE, ok: tuple[int, ...] = (0,)
    ) -> str:
        """Do what the hook does for a release; gives what it wrote to stderr."""
        words = self.guard_words(helmfile, command, release)
        return process.run(words, timeout_s=100, ok=ok, env=self.env).stderr

    def guard_words(self, helmfile: process.Child, command: str = "apply", release: str = RELEASE) -> list[str]:
        cluster = ["--context", self.api.context, "--kubeconfig", str(self.api.kubeconfig)]
        return [
            str(COMMAND),
            "guard",
            "dev",
            *cluster,
            "--helmfile",
            str(helmfile.pid),
            command,
            self.namespace,
            release,
        ]

    def helm(self, *words: str) -> str:
        return process.run(self._helm(*words), timeout_s=60, env=self.env).stdout

    def going(self, status: str, *helm: str) -> process.Child:
        """Start helm under a held namespace; gives its helmfile when the release is in a state."""
        helmfile = self.helmfile(*helm)
        self.guard(helmfile, release="another")
        (self.folder / "goes").touch()
        await_true(lambda: self.status() == status, f"the release is {status}")
        return helmfile

    def cut_off(self, status: str, *helm: str) -> None:
        """Start helm under a held namespace, and kill both when the release is in a state."""
        self.kill(self.going(status, *helm))
        self.await_free()

    def kill(self, helmfile: process.Child) -> None:
        os.killpg(helmfile.pid, signal.SIGKILL)
        helmfile.wait(10)

    def status(self) -> str:
        last = self._revisions()[-1:]
        return str(last[0]["metadata"]["labels"]["status"]) if last else ""

    def uids(self) -> list[str]:
        return [one["metadata"]["uid"] for one in self._revisions()]

    def lease(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kubectl("get", "lease", "mldeploy", "-n", self.namespace, "-o", "json"))
        return found

    def await_free(self) -> None:
        await_true(lambda: "holderIdentity" not in self.lease()["spec"], "the lease is given back")

    def said(self) -> str:
        return (self.folder / "said").read_text()

    def keepers(self) -> list[int]:
        """Find the processes that hold this bench's namespace."""
        done = process.run(["pgrep", "-x", "mldeploy-hold"], timeout_s=10, ok=(0, 1))
        return [pid for pid in map(int, done.stdout.split()) if self._is_ours(pid)]

    def _is_ours(self, pid: int) -> bool:
        try:
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:  # it has ended meanwhile
            return False
        return self.mark.encode() in variables

    def end(self) -> None:
        for child in self._started:
            process.terminate(child, grace_s=10)

    def _helm(self, *words: str) -> list[str | Path]:
        cluster: list[str | Path] = ["--kubeconfig", self.api.kubeconfig, "--namespace", self.namespace]
        return [tool("helm").resolve(), *words, *cluster]

    def _revisions(self) -> list[dict[str, Any]]:
        selector = f"owner=helm,name={RELEASE}"
        found = json.loads(self.kubectl("get", "secrets", "-n", self.namespace, "-l", selector, "-o", "json"))["items"]
        return sorted(found, key=lambda one: int(one["metadata"]["labels"]["version"]))


def _chart(folder: Path) -> str:
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: web\nversion: 1.0.0\n")
    (folder / "templates" / "map.yaml").write_text(
        'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web\ndata:\n  key: "{{ .Values.key }}"\n'
    )
    pod = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main", "image": "none"}]}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": pod},
    }
    text = yaml.safe_dump(deployment)
    (folder / "templates" / "deployment.yaml").write_text(f"{{{{ if .Values.waits }}}}\n{text}{{{{ end }}}}\n")
    return str(folder)


@pytest.fixture
def bench(api: ApiServer, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Bench]:
    namespace = f"one-{abs(hash(request.node.name)) % 10**8}"
    made = Bench(api, tmp_path, namespace)
    try:
        yield made
    finally:
        made.end()


def test_the_second_is_refused_and_told_who_is_first(bench: Bench) -> None:
    first, second = bench.helmfile(), bench.helmfile()
    bench.guard(first)
    bench.guard(first, command="delete", release="dev-other")  # one helmfile, both releases, another of its names
    said = bench.guard(second, ok=(3,))
    assert f"{bench.namespace} is being changed by helmfile apply of " in said
    assert f", process {first.pid}, since " in said
    assert "nothing was changed" in said
    assert "wait for its end, then run the same command again" in said
    bench.kill(first)
    bench.guard(second)
    assert f"process {second.pid} " in bench.lease()["spec"]["holderIdentity"]


def test_the_lease_is_given_back_at_once_however_helmfile_ends(bench: Bench) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        helmfile = bench.helmfile()
        bench.guard(helmfile)
        helmfile.send_signal(number)
        helmfile.wait(10)
        bench.await_free()


def test_a_holder_that_does_not_renew_has_gone(bench: Bench) -> None:
    """As when a machine is lost: helmfile still is somewhere, for all that anybody can see."""
    first, second = bench.helmfile(), bench.helmfile()
    bench.guard(first)
    (keeper,) = bench.keepers()
    process.run(["kill", "-KILL", str(keeper)], timeout_s=10)
    bench.guard(second)
    assert f"process {second.pid} " in bench.lease()["spec"]["holderIdentity"]


def test_the_helm_of_a_dead_helmfile_is_waited_for(bench: Bench) -> None:
    bench.kubectl("create", "namespace", bench.namespace)
    first = bench.going("pending-install", "install", RELEASE, bench.chart, *WAITING)
    first.kill()  # alone; its helm goes on
    first.wait(10)
    second = bench.helmfile()
    with process.start(bench.guard_words(second), env=bench.env) as waiting:
        await_true(lambda: "mldeploy/ending" in bench.lease()["metadata"].get("annotations", {}), "it is told")
        assert f"process {first.pid} " in bench.lease()["spec"]["holderIdentity"]
        assert waiting.poll() is None
        os.killpg(first.pid, signal.SIGKILL)
        assert waiting.wait(60) == 0
    assert f"process {second.pid} " in bench.lease()["spec"]["holderIdentity"]
    assert bench.status() == ""  # what that helm left is undone


def test_a_first_installation_that_was_cut_off_is_taken_away(bench: Bench) -> None:
    bench.kubectl("create", "namespace", bench.namespace)
    bench.cut_off("pending-install", "install", RELEASE, bench.chart, *WAITING)
    bench.guard(bench.helmfile(), release="dev-other")  # another release leaves it alone, and keeps what is known of it
    assert bench.status() == "pending-install"
    bench.end()
    bench.guard(bench.helmfile())
    assert bench.status() == ""
    assert "NotFound" in bench.kubectl("get", "configmap", "web", "-n", bench.namespace, ok=(1,))
    assert f"{RELEASE}: revision 1 is pending-install since " in bench.said()
    assert f"that change was cut off; helm uninstall {RELEASE} --wait" in bench.said()
    bench.helm("install", RELEASE, bench.chart)


def test_an_upgrade_that_was_cut_off_goes_back_to_what_ran(bench: Bench) -> None:
    bench.helm("install", RELEASE, bench.chart, "--create-namespace", "--set", "key=before")
    bench.cut_off("pending-upgrade", "upgrade", RELEASE, bench.chart, "--set", "key=after", *WAITING)
    bench.guard(bench.helmfile())
    assert bench.status() == "deployed"
    assert f"cut off; helm rollback {RELEASE} 1" in bench.said()
    assert "before" in bench.kubectl("get", "configmap", "web", "-n", bench.namespace, "-o", "yaml")
    # What the upgrade had made goes too, though neither revision that Helm compares has it.
    assert "NotFound" in bench.kubectl("get", "deployment", "web", "-n", bench.namespace, ok=(1,))
    bench.helm("upgrade", RELEASE, bench.chart)


def test_an_uninstallation_that_was_cut_off_is_finished(bench: Bench) -> None:
    bench.helm("install", RELEASE, bench.chart, "--create-namespace")
    finalizer = json.dumps({"metadata": {"finalizers": ["mldeploy.invalid/stays"]}})
    bench.kubectl("patch", "configmap", "web", "-n", bench.namespace, "--type=merge", "-p", finalizer)
    bench.cut_off("uninstalling", "uninstall", RELEASE, "--wait", "--timeout", "120s")
    none = json.dumps({"metadata": {"finalizers": None}})
    bench.kubectl("patch", "configmap", "web", "-n", bench.namespace, "--type=merge", "-p", none)
    bench.guard(bench.helmfile())
    assert bench.status() == ""
    bench.helm("install", RELEASE, bench.chart)


@pytest.mark.parametrize("command", ["apply", "destroy"])
def test_a_helm_that_was_called_by_hand_is_left_alone(bench: Bench, command: str, tmp_path: Path) -> None:
    bench.helm("install", RELEASE, bench.chart, "--create-namespace")
    by_hand = bench.helmfile("upgrade", RELEASE, bench.chart, *WAITING)
    (tmp_path / "goes").touch()
    await_true(lambda: bench.status() == "pending-upgrade", "helm waits")
    said = bench.guard(bench.helmfile(), command=command, ok=(3,))
    assert f"{RELEASE}: revision 2 is pending-upgrade since " in said
    assert "by a helm that was not started here; nothing was changed" in said
    assert f"if it was killed: helm rollback {RELEASE} 1 --cleanup-on-fail --namespace {bench.namespace}" in said
    assert bench.status() == "pending-upgrade"
    bench.kill(by_hand)


def test_a_release_that_is_installed_anew_by_hand_is_not_taken_for_the_one_that_was_cut_off(
    bench: Bench, tmp_path: Path
) -> None:
    bench.kubectl("create", "namespace", bench.namespace)
    bench.cut_off("pending-install", "install", RELEASE, bench.chart, *WAITING)
    bench.guard(bench.helmfile(), release="dev-other")
    assert bench.lease()["metadata"]["annotations"]["mldeploy/unfinished"].split() == bench.uids()
    bench.end()
    bench.await_free()
    given_back = datetime.fromisoformat(bench.lease()["spec"]["renewTime"]).timestamp()
    bench.helm("uninstall", RELEASE)
    # Helm tells the second in which it began; what began within one of the holder's time is the holder's.
    await_true(lambda: time.time() > given_back + 2, "the holder's time is over")
    (tmp_path / "goes").unlink()
    by_hand = bench.helmfile("install", RELEASE, bench.chart, *WAITING)
    (tmp_path / "goes").touch()
    await_true(lambda: bench.status() == "pending-install", "helm waits")
    assert "by a helm that was not started here; nothing was changed" in bench.guard(bench.helmfile(), ok=(3,))
    bench.kill(by_hand)


def test_what_only_takes_away_makes_no_namespace(bench: Bench) -> None:
    exists = ("get", "namespace", bench.namespace, "--ignore-not-found", "-o", "name")
    helmfile = bench.helmfile()
    bench.guard(helmfile, command="destroy")
    assert not bench.kubectl(*exists)
    bench.guard(helmfile, command="test")
    assert not bench.kubectl(*exists)
    bench.guard(helmfile, command="apply")
    assert bench.kubectl(*exists)


def test_missing_rights_are_named(bench: Bench, tmp_path: Path) -> None:
    document = yaml.safe_load(bench.api.kubeconfig.read_text())
    for user in document["users"]:
        user["user"]["as"] = "somebody"
    without = tmp_path / "kubeconfig"
    without.write_text(yaml.safe_dump(document))
    without.chmod(0o600)
    cluster = ["--context", bench.api.context, "--kubeconfig", str(without)]
    words = [str(COMMAND), "guard", "dev", *cluster, "--helmfile", str(bench.helmfile().pid), "apply", "dev", RELEASE]
    done = process.run(words, timeout_s=60, ok=(2,), env=tool_environment(ROOT))
    assert 'User "somebody" cannot' in done.stderr
    assert "its user must be allowed to get, create and update leases" in done.stderr


def test_a_helmfile_that_has_gone_holds_nothing(bench: Bench) -> None:
    helmfile = bench.helmfile()
    bench.kill(helmfile)
    assert "cannot be followed" in bench.guard(helmfile, ok=(2,))
