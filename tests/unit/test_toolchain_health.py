"""`mldeploy doctor`: everything that is wrong has a remedy, and the exit code says whether something is."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

import pytest

from mldeploy.cli import doctor
from mldeploy.errors import ExitCode
from mldeploy.toolchain import health, packages
from mldeploy.toolchain.health import Check, examine
from mldeploy.toolchain.pins import Pins, load

TOOLS = """
[own]
module = "own"
package = "."
group = "{group}"
build_mb = {megabytes}
"""


def declared(folder: Path, megabytes: int, group: str = "deploy") -> Pins:
    (folder / "own").mkdir(exist_ok=True)
    (folder / "own" / "go.mod").write_text("module example.invalid/own\n\ngo 1.26.0\n", "utf-8")
    (folder / "tools.toml").write_text(TOOLS.format(megabytes=megabytes, group=group), "utf-8")
    load.cache_clear()
    return load(folder)


def wrong(pins: Pins) -> dict[str, Check]:
    return {check.name: check for check in examine(pins) if check.remedy}


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)


def test_a_missing_tool_is_wrong(tmp_path: Path) -> None:
    check = wrong(declared(tmp_path, 1))["tools"]
    assert (check.found, check.remedy) == ("own: not installed", "run mldeploy tools install")


@pytest.mark.parametrize("group", ["published", "test"])
def test_a_tool_that_nothing_asked_for_yet_is_not_wrong(tmp_path: Path, group: str) -> None:
    pins = declared(tmp_path, 1, group)
    assert "tools" not in wrong(pins)
    found = [check.found for check in examine(pins) if check.name == "tools"]
    assert found[-1] == "not installed, which up and tests do when they need them: own"


def test_another_machine_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert "Linux aarch64" in wrong(declared(tmp_path, 1))["system"].found


def test_without_root_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "--provider kind" in wrong(declared(tmp_path, 1))["root"].remedy


def test_every_missing_package_is_named_with_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = (packages.Package("gone-package", "gone-program", "is needed"),)
    monkeypatch.setattr(packages, "PACKAGES", gone)
    check = wrong(declared(tmp_path, 1))["packages"]
    assert check.found == "gone-package is missing: is needed"
    assert check.remedy.endswith("apt-get install --yes --no-install-recommends gone-package")


def test_a_full_disk_is_wrong(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free // 1024**2
    assert "disk" in wrong(declared(tmp_path, free))
    assert "disk" not in wrong(declared(tmp_path, 1))


def test_what_the_kernel_refuses_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "unshare"
    program.write_text("#!/bin/sh\necho 'unshare: Operation not permitted' >&2\nexit 1\n", "utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(health, "PATH", f"{tmp_path}:{packages.PATH}")
    found = wrong(declared(tmp_path, 1))
    assert "Operation not permitted" in found["namespaces"].found
    assert "privileged" in found["namespaces"].remedy


def test_a_kubeconfig_that_is_gone_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = tmp_path / "there"
    there.touch()
    monkeypatch.setenv("KUBECONFIG", f"{there}:{tmp_path}/gone")
    assert f"names {tmp_path}/gone, which" in wrong(declared(tmp_path, 1))["kubeconfig"].found


def test_no_compiler_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
    checks = {check.name: check for check in examine(declared(tmp_path, 1))}
    assert checks["go"].remedy == ""


@pytest.mark.parametrize(
    ("remedy", "code", "text"),
    [
        ("mend it", ExitCode.FINDINGS, "wrong thing: is so\n      -> mend it\n"),
        ("", ExitCode.CLEAN, "ok    thing: is so\n"),
    ],
)
def test_the_exit_code_says_whether_something_is_wrong(
    remedy: str, code: int, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(health, "examine", lambda: iter([Check("thing", "is so", remedy)]))
    assert doctor.main([]) == code
    assert capsys.readouterr().out == text
