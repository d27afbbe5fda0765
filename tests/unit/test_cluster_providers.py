"""The other providers, and the command: what they ask for, refuse and print. kind itself is not run here."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from mldeploy import process
from mldeploy.cli import cluster as command
from mldeploy.cluster import ClusterStatus, ComponentStatus, open_cluster
from mldeploy.cluster.table import status_text
from mldeploy.errors import MldeployError, RefusedError
from mldeploy.progress import Quiet


class Kind:
    """Stands where kind would: keeps the command lines, and answers `get clusters`."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.clusters = ""

    def run(self, argv: list[str | Path], **_: object) -> process.Completed:
        words = tuple(str(word) for word in argv)
        self.lines.append(" ".join(words))
        return process.Completed(words, 0, self.clusters if "get" in words else "", "", 0.0)


@pytest.fixture
def kind(monkeypatch: pytest.MonkeyPatch) -> Kind:
    made = Kind()
    monkeypatch.setattr(shutil, "which", lambda name, **_: f"/bin/{name}" if name in {"docker", "kind"} else None)
    monkeypatch.setattr(process, "run", made.run)
    return made


def test_kind_gets_a_kubeconfig_of_its_own(kind: Kind, tmp_path: Path) -> None:
    cluster = open_cluster(tmp_path, "kind", "local")
    cluster.up(Quiet())
    kubeconfig = tmp_path / ".mldeploy" / "clusters" / "local" / "kubeconfig"
    assert kind.lines == [
        "/bin/kind get clusters",
        f"/bin/kind create cluster --name mldeploy-local --kubeconfig {kubeconfig} --wait 600s",
    ]
    assert (cluster.context, cluster.kubeconfig) == ("kind-mldeploy-local", kubeconfig)


def test_a_kind_cluster_that_runs_is_left_as_it_is(kind: Kind, tmp_path: Path) -> None:
    kind.clusters = "other\nmldeploy-local\n"
    cluster = open_cluster(tmp_path, "kind", "local")
    cluster.up(Quiet())
    assert kind.lines[-1] == f"/bin/kind export kubeconfig --name mldeploy-local --kubeconfig {cluster.kubeconfig}"
    assert cluster.status().state == "ready"


def test_kind_loads_and_deletes(kind: Kind, tmp_path: Path) -> None:
    cluster = open_cluster(tmp_path, "kind", "local")
    assert cluster.load_image(Path("image.tar"), Quiet())
    cluster.down(Quiet())
    assert kind.lines == [
        "/bin/kind load image-archive image.tar --name mldeploy-local",
        f"/bin/kind delete cluster --name mldeploy-local --kubeconfig {cluster.kubeconfig}",
    ]


def test_kind_without_an_engine_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(MldeployError, match="needs a container engine") as caught:
        open_cluster(tmp_path, "kind").up(Quiet())
    assert "--provider embedded" in caught.value.remedy


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config"
    content = {
        "current-context": "team",
        "contexts": [{"name": "other", "context": {"cluster": "x"}}, {"name": "team", "context": {"cluster": "c"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://cluster.example:6443"}}],
    }
    path.write_text(json.dumps(content))
    monkeypatch.setenv("KUBECONFIG", str(path))
    return path


def test_current_is_the_users_own_and_stays_as_it_is(config: Path, tmp_path: Path) -> None:
    before = config.read_bytes()
    cluster = open_cluster(tmp_path, "current")
    cluster.up(Quiet())
    assert (cluster.kubeconfig, cluster.context) == (config, "team")
    assert cluster.status().server == "https://cluster.example:6443"
    with pytest.raises(RefusedError, match="team is not a cluster that mldeploy made"):
        cluster.down(Quiet())
    with pytest.raises(MldeployError, match="from a registry") as caught:
        cluster.load_image(Path("image.tar"), Quiet())
    assert "image push" in caught.value.remedy
    assert config.read_bytes() == before


def test_current_finds_the_context_in_the_second_file(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tmp_path / "first"
    first.write_text("current-context: team\n")
    monkeypatch.setenv("KUBECONFIG", f"{first}:{tmp_path / 'absent'}:{config}")
    assert open_cluster(tmp_path, "current").kubeconfig == config


@pytest.mark.parametrize("text", ["", "{}", "a: [", "current-context: gone\ncontexts: []\n"])
def test_a_kubeconfig_without_a_context_is_named(config: Path, tmp_path: Path, text: str) -> None:
    config.write_text(text)
    with pytest.raises(MldeployError, match=r"config: (not a kubeconfig|no current context)"):
        open_cluster(tmp_path, "current")


def test_no_kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    with pytest.raises(MldeployError, match="no kubeconfig"):
        open_cluster(tmp_path, "current")


def test_an_unknown_provider_lists_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(MldeployError, match="no such cluster provider: k3d") as caught:
        open_cluster(tmp_path, "k3d")
    assert caught.value.remedy == "choose one of embedded, kind, current"


def test_a_cluster_that_does_not_run(tmp_path: Path) -> None:
    cluster = open_cluster(tmp_path)
    assert cluster.status().state == "stopped"
    with pytest.raises(MldeployError, match="does not run"):
        cluster.load_image(tmp_path / "image.tar", Quiet())
    with pytest.raises(MldeployError, match="no log of 'etcd'"):
        cluster.logs("etcd", follow=False)
    cluster.down(Quiet())
    assert not (tmp_path / ".mldeploy").exists(), "asking makes nothing"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "deployments").mkdir()
    (tmp_path / "deployments" / "base.yaml").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_status_of_a_stopped_cluster_is_not_clean(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["status", "--output", "json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["state"] == "stopped"
    assert told["kubeconfig"] == str(checkout / ".mldeploy" / "clusters" / "local" / "kubeconfig")


@pytest.mark.parametrize("words", [["status", "--output", "xml"], ["status", "--name", "A/B"]])
def test_wrong_options_are_named(checkout: Path, words: list[str]) -> None:
    with pytest.raises(MldeployError, match=r"xml|A/B"):
        command.main(words)


def test_logs_come_oldest_first(checkout: Path) -> None:
    folder = checkout / ".mldeploy" / "clusters" / "local" / "node" / "log" / "etcd"
    folder.mkdir(parents=True)
    for name in ("current", "@4000000065b", "@4000000064a", "lock", "state"):
        (folder / name).touch()
    cluster = open_cluster(checkout)
    names = [Path(word).name for word in cluster.logs("etcd", follow=False)[1:]]
    assert names == ["@4000000064a", "@4000000065b", "current"]
    assert cluster.logs("etcd", follow=True)[-2:] == ["-F", str(folder / "current")]
    with pytest.raises(MldeployError, match="no log of 'nginx'") as caught:
        cluster.logs("nginx", follow=False)
    assert caught.value.remedy == "choose one of etcd"


def test_the_table() -> None:
    status = ClusterStatus(
        name="local",
        provider="embedded",
        state="ready",
        context="mldeploy-local",
        kubeconfig=Path("/x/kubeconfig"),
        server="https://127.0.0.1:1234",
        node="Ready",
        first_pid=77,
        components=(
            ComponentStatus("etcd", True, 78, 65, 50_400_000),
            ComponentStatus("kubelet", False, 0, 3700, 0),
        ),
        images=("localhost/mldeploy/pause:1",),
        resident=680_000_000,
    )
    assert status_text(status).splitlines() == [
        "cluster:       local (embedded): ready",
        "context:       mldeploy-local",
        "kubeconfig:    /x/kubeconfig",
        "server:        https://127.0.0.1:1234",
        "node:          Ready",
        "first process: 77",
        "memory:        680 MB, pods included",
        "",
        "component  state         pid      uptime    memory",
        "etcd       running        78   1 min 5 s     50 MB",
        "kubelet    down            0   1 h 1 min      0 MB",
        "",
        "images:",
        "  localhost/mldeploy/pause:1",
    ]
