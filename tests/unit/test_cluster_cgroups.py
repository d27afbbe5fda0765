"""The cluster's cgroup on hosts with version 1, version 2, and inside a container; hierarchies are folders here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mldeploy.cluster import cgroups
from mldeploy.errors import MldeployError


class Host:
    """A folder that looks like /sys/fs/cgroup, and its mount table."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mounts = folder / "mounts"
        self.mounts.touch()

    def mount(self, kind: str, where: Path, options: str) -> None:
        with self.mounts.open("a", encoding="utf-8") as table:
            table.write(f"{kind} {where} {kind} {options} 0 0\n")

    def version_1(self, controller: str) -> Path:
        where = self.folder / controller
        where.mkdir()
        self.mount("cgroup", where, f"rw,nosuid,{controller}")
        return where

    def version_2(self, *, container: bool) -> Path:
        where = self.folder / "unified"
        where.mkdir()
        (where / "cgroup.controllers").write_text("cpuset cpu io memory pids rdma")
        (where / "cgroup.subtree_control").write_text("cpu memory")
        if container:
            (where / "cgroup.type").write_text("domain")
            (where / "cgroup.procs").write_text("11\n12\n")
        self.mount("cgroup2", where, "rw,nosuid")
        return where


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_version_1_makes_one_in_each_hierarchy(host: Host) -> None:
    memory, cpuset = host.version_1("memory"), host.version_1("cpuset")
    (cpuset / "cpuset.cpus").write_text("0-3")
    (cpuset / "cpuset.mems").write_text("0")
    cgroups.create("mldeploy-x", mounts=host.mounts)
    assert (memory / "mldeploy-x").is_dir()
    assert (cpuset / "mldeploy-x" / "cpuset.cpus").read_text() == "0-3"
    assert (cpuset / "mldeploy-x" / "cpuset.mems").read_text() == "0"


def test_version_2_passes_on_what_is_missing(host: Host) -> None:
    top = host.version_2(container=False)
    cgroups.create("mldeploy-x", mounts=host.mounts)
    assert (top / "cgroup.subtree_control").read_text() == "+cpuset +io +pids"
    assert (top / "mldeploy-x").is_dir()
    assert not (top / "mldeploy-init").exists()


def test_version_2_in_a_container_moves_its_processes_down_first(host: Host) -> None:
    top = host.version_2(container=True)
    cgroups.create("mldeploy-x", mounts=host.mounts)
    assert (top / "mldeploy-init" / "cgroup.procs").read_text() == "12"
    assert (top / "cgroup.subtree_control").read_text() == "+cpuset +io +pids"


def test_the_share_is_the_whole_machines(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    memory = host.version_1("memory")
    top = host.version_2(container=False)
    # The kernel makes these files together with the folder.
    for where, name in ((memory, "cpu.shares"), (top, "cpu.weight")):
        (where / "mldeploy-x").mkdir()
        (where / "mldeploy-x" / name).touch()
    cgroups.create("mldeploy-x", mounts=host.mounts)
    assert (memory / "mldeploy-x" / "cpu.shares").read_text() == "4096"
    assert (top / "mldeploy-x" / "cpu.weight").read_text() == "400"


def test_without_a_memory_controller_nothing_is_made(host: Host) -> None:
    cpuset = host.version_1("cpuset")
    with pytest.raises(MldeployError, match="memory controller"):
        cgroups.create("mldeploy-x", mounts=host.mounts)
    assert not (cpuset / "mldeploy-x").exists()


def test_a_read_only_hierarchy_is_no_hierarchy(host: Host) -> None:
    memory = host.folder / "memory"
    memory.mkdir()
    host.mount("cgroup", memory, "ro,nosuid,memory")
    assert cgroups.hierarchies(host.mounts) == []
    with pytest.raises(MldeployError, match="privileged"):
        cgroups.create("mldeploy-x", mounts=host.mounts)


def test_one_that_cannot_be_made_leaves_none_of_them(host: Host) -> None:
    memory, pids = host.version_1("memory"), host.version_1("pids")
    (pids / "mldeploy-x").touch()
    with pytest.raises(MldeployError, match="cannot be made"):
        cgroups.create("mldeploy-x", mounts=host.mounts)
    assert not (memory / "mldeploy-x").exists()


def test_remove_takes_all_below_it(host: Host) -> None:
    memory = host.version_1("memory")
    (memory / "mldeploy-x" / "kubepods" / "besteffort").mkdir(parents=True)
    (memory / "mldeploy-y").mkdir()
    assert cgroups.remove("mldeploy-x", mounts=host.mounts) == []
    assert not (memory / "mldeploy-x").exists()
    assert (memory / "mldeploy-y").is_dir()


def test_remove_names_what_is_still_in_use(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "_REMOVE_S", 0.05)
    memory = host.version_1("memory")
    (memory / "mldeploy-x").mkdir()
    (memory / "mldeploy-x" / "busy").touch()
    assert cgroups.remove("mldeploy-x", mounts=host.mounts) == [memory / "mldeploy-x"]


def test_mount_points_with_spaces_are_read(host: Host) -> None:
    odd = host.folder / "a b"
    odd.mkdir()
    host.mounts.write_text(f"cgroup {host.folder}/a\\040b cgroup rw,memory 0 0\n")
    [found] = cgroups.hierarchies(host.mounts)
    assert found.mount == odd
