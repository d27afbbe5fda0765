"""What a host must have: each thing that is missing is named with its remedy, before anything is made."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from mldeploy.cluster import host
from mldeploy.errors import MldeployError
from mldeploy.toolchain import packages


@pytest.fixture(autouse=True)
def good_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that has everything; each test takes one thing away."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(host, "missing_packages", list)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**11))
    monkeypatch.setattr(host, "_bridge_filter", lambda: None)


def remedy(folder: Path, *, whole_node: bool = True) -> MldeployError:
    with pytest.raises(MldeployError) as caught:
        host.check(folder, whole_node=whole_node)
    return caught.value


def test_a_good_host_is_accepted(tmp_path: Path) -> None:
    host.check(tmp_path / "not" / "there" / "yet", whole_node=True)


def test_no_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    error = remedy(tmp_path)
    assert "needs root" in error.message
    assert "sudo" in error.remedy


def test_no_linux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "--provider kind" in remedy(tmp_path).remedy


def test_missing_packages_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "missing_packages", lambda: list(packages.PACKAGES))
    error = remedy(tmp_path)
    assert "apt-get install" in error.remedy
    assert {"runc", "s6", "iptables", "catatonit"} <= set(error.remedy.split())
    assert "buildah" not in error.remedy
    assert "runc" not in remedy(tmp_path, whole_node=False).remedy.split()


def test_too_little_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**9))
    assert f"{tmp_path}: 1.0 GB free" in remedy(tmp_path / "absent").message


def test_a_program_that_is_missing_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    monkeypatch.setattr(host, "missing_packages", lambda: list(packages.PACKAGES))
    with pytest.raises(MldeployError, match="runc is not installed") as caught:
        host.program("runc")
    assert caught.value.remedy.endswith(" runc")
