"""Ports, locks, records, names and snapshots of a cluster: files and sockets, no node."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mldeploy import process
from mldeploy.cluster import machine, pki, record, snapshot, supervision, wait
from mldeploy.cluster.components import components
from mldeploy.cluster.layout import Layout, checked_name, inside, layout
from mldeploy.errors import MldeployError, RefusedError


@pytest.fixture
def place(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "local", "local")
    made.folder.mkdir()
    return made


@pytest.mark.parametrize("name", ["", "Local", "a/b", "../x", "-a", "a-", "a" * 33, "a b", "a\n"])
def test_a_name_that_is_no_label_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(MldeployError, match="not a DNS label"):
        layout(tmp_path, name)


@pytest.mark.parametrize("name", ["a", "local", "test-1", "a" * 32])
def test_a_label_is_a_name(name: str) -> None:
    assert checked_name(name) == name


def test_socket_paths_are_short_however_deep_the_checkout_is() -> None:
    assert len(inside("kubelet", "device-plugins", "kubelet.sock")) < 108


def test_a_taken_port_is_named_with_the_remedy(place: Layout) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(MldeployError, match=f"port {port} on 127.0.0.1 is taken") as caught:
            machine.listen(place, port)
    assert "--port" in caught.value.remedy


@pytest.mark.parametrize("port", [-1, 65536, 10**9])
def test_an_impossible_port_is_named(place: Layout, port: int) -> None:
    with pytest.raises(MldeployError, match=f"port {port} cannot be used"):
        machine.listen(place, port)


def test_the_last_port_is_used_again_when_it_is_free(place: Layout) -> None:
    with machine.listen(place, None) as first:
        port = first.getsockname()[1]
    place.port.write_text(str(port))
    with machine.listen(place, None) as again:
        assert again.getsockname()[1] == port
        again.listen()
        with machine.listen(place, None) as another:
            assert another.getsockname()[1] != port


@pytest.mark.parametrize("text", ["", "x", "99999999"])
def test_a_damaged_port_file_is_no_obstacle(place: Layout, text: str) -> None:
    place.port.write_text(text)
    with machine.listen(place, None) as listener:
        assert listener.getsockname()[1] > 0


def test_a_held_lock_refuses_and_names_the_holder(place: Layout) -> None:
    with record.locked(place), pytest.raises(RefusedError, match=f"process {os.getpid()}"), record.locked(place):
        pass
    with record.locked(place):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MldeployError, match="cannot be written"), record.locked(Layout(tmp_path / "file" / "x", "x")):
        pass


def test_a_cluster_runs_as_long_as_its_keeper_holds_the_lock(place: Layout) -> None:
    assert not record.running(place)
    held = record.alive_lock(place)
    assert held is not None
    assert record.running(place)
    assert record.alive_lock(place) is None
    os.close(held)
    assert not record.running(place)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"cgroup": "a"', '{"unknown": 1}'])
def test_a_damaged_record_is_no_record(place: Layout, text: str) -> None:
    place.record.write_text(text)
    assert record.read(place) is None


def test_a_record_is_read_as_it_was_written(place: Layout) -> None:
    written = record.Record(cgroup="mldeploy-local-1", port=1234, keeper=5, first=6)
    record.write(place, written)
    assert record.read(place) == written


def test_files_are_not_removed_below_a_mount(place: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    place.node.mkdir()
    (place.node / "precious").touch()
    table = place.folder / "mounts"
    table.write_text(f"tmpfs {place.node}/volume tmpfs rw 0 0\n")
    monkeypatch.setattr(machine, "_MOUNTS", table)
    with pytest.raises(MldeployError, match="is mounted") as caught:
        machine.remove_files(place)
    assert caught.value.remedy == f"umount {place.node}/volume"
    assert (place.node / "precious").exists()


def test_a_snapshot_without_its_key_does_not_count(place: Layout) -> None:
    (place.snapshot / "etcd").mkdir(parents=True)
    assert not snapshot.usable(place, "key")


@contextmanager
def sleeping() -> Iterator[int]:
    child = process.start(["sleep", "60"])
    try:
        yield child.pid
    finally:
        process.terminate(child)


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_snapshot_is_whole_or_absent(place: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    blob = place.node / "containerd" / "io.containerd.content.v1.content" / "blobs" / "sha256" / "a"
    layer = place.node / "containerd" / "io.containerd.snapshotter.v1.overlayfs" / "snapshots" / "1" / "fs" / "bin"
    database = place.node / "containerd" / "io.containerd.metadata.v1.bolt" / "meta.db"
    for path in (blob, layer, database, place.node / "etcd" / "db", place.node / "pki" / "ca.key"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)
    with sleeping() as pid:
        snapshot.take_store(place, pid)
        assert not snapshot.usable(place, "key"), "half a snapshot is none"
        snapshot.take_images(place, pid, "key")
        assert state(pid) in "RS", "it goes on afterwards"
    kept = place.snapshot / "containerd"
    assert (kept / blob.relative_to(place.node / "containerd")).samefile(blob), "content is linked"
    assert (kept / layer.relative_to(place.node / "containerd")).samefile(layer), "unpacked files are linked"
    assert not (kept / database.relative_to(place.node / "containerd")).samefile(database), "databases are copied"
    monkeypatch.setattr(pki, "expires_soon", lambda _: False)
    assert snapshot.usable(place, "key")
    assert not snapshot.usable(place, "another")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(snapshot, "_copy", full)
    with sleeping() as pid:
        with pytest.raises(OSError, match="No space"):
            snapshot.take_store(place, pid)
        assert state(pid) in "RS"
    assert snapshot.usable(place, "key"), "the old one stays until a new one is whole"


def test_services_wait_for_orders_and_hide_nothing_in_their_arguments(place: Layout, tmp_path: Path) -> None:
    wanted = components("local", whole_node=True)
    supervision.write_services(place, wanted, tmp_path / "bin", "/usr/bin:/bin")
    for component in wanted:
        folder = place.services / component.name
        assert (folder / "down").exists()
        script = (folder / "run").read_text()
        assert f" /run/mldeploy/bin/{component.name} " in script
        assert (place.node / "bin" / component.name).readlink().parent == tmp_path / "bin"
        assert (folder / "run").stat().st_mode & 0o777 == 0o755
        assert "BEGIN" not in script
        assert "token=" not in script
    assert not supervision.ready_for_orders(place, tuple(one.name for one in wanted))
    os.mkfifo(place.services / "etcd" / "control")
    assert not supervision.ready_for_orders(place, ("etcd",))


def test_waiting_says_for_what(tmp_path: Path) -> None:
    with pytest.raises(MldeployError, match="waiting for the node: not so after 0 s"):
        wait.until(lambda: False, "the node", timeout_s=0, alive=lambda: "")
    with pytest.raises(MldeployError, match="waiting for the node: the cluster has ended"):
        wait.until(lambda: False, "the node", timeout_s=60, alive=lambda: "the cluster has ended")


def test_the_whole_configuration_is_json_without_keys_in_it(tmp_path: Path) -> None:
    from mldeploy.cluster import configs

    place = Layout(tmp_path, "local")
    pki.make(place.pki, pki.certificates("local", whole_node=True))
    place.config.mkdir()
    configs.write_api_server(place)
    configs.write_node(
        place,
        cgroup_root="/mldeploy-local-1",
        snapshotter="native",
        programs=Path("/programs"),
        runc=Path("/usr/sbin/runc"),
        pause="localhost/mldeploy/pause:1",
    )
    key = (place.pki / "secrets.key").read_text()
    for path in place.config.rglob("*.json"):
        json.loads(path.read_text())
        assert (key in path.read_text()) == (path.name == "encryption.json")
    assert (place.config / "encryption.json").stat().st_mode & 0o777 == 0o600
    toml = (place.config / "containerd.toml").read_text()
    import tomllib

    runtime = tomllib.loads(toml)["plugins"]["io.containerd.cri.v1.runtime"]
    assert runtime["restrict_oom_score_adj"] is True
    assert toml.count('snapshotter = "native"') == 2
    kubelet = json.loads((place.config / "kubelet.json").read_text())
    assert kubelet["cgroupRoot"] == "/mldeploy-local-1"
    assert kubelet["authentication"]["anonymous"]["enabled"] is False
