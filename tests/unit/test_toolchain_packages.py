"""Packages of the distribution: what is missing, what is installed, and what is said where that may not be done."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mldeploy.errors import MldeployError
from mldeploy.progress import Quiet
from mldeploy.toolchain import install_packages, packages

# Writes down how it was called, and "installs" a program by making it.
APT_GET = """#!/bin/sh
echo "$DEBIAN_FRONTEND $*" >>"{log}"
case "$*" in
*install*) {install} ;;
*) echo "E: a source of the user's is broken" >&2; exit 100 ;;
esac
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose only programs are those in the folder that is given: one needed package, and no apt-get."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "cp"):
        (folder / name).symlink_to(Path("/bin") / name)
    needed = (
        packages.Package("there", "sh", "is there"),
        packages.Package("gone-package", "gone-program", "is missing"),
    )
    monkeypatch.setattr(packages, "PACKAGES", needed)
    monkeypatch.setattr(packages, "PATH", str(folder))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(folder))
    return folder


def apt_get(machine: Path, install: str) -> Path:
    log = machine.parent / "log"
    program = machine / "apt-get"
    program.write_text(APT_GET.format(log=log, install=install), "utf-8")
    program.chmod(0o755)
    return log


def test_what_is_missing_is_installed_once(machine: Path) -> None:
    log = apt_get(machine, f'cp -a "{machine}/sh" "{machine}/gone-program"')
    assert install_packages(Quiet()) == ["gone-package"]
    assert install_packages(Quiet()) == []
    update, install = log.read_text("utf-8").splitlines()
    assert update.startswith("noninteractive ")
    assert update.endswith(" update")
    assert install.endswith(" install --yes --no-install-recommends gone-package")


def test_without_root_the_line_that_does_it_is_the_remedy(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apt_get(machine, "exit 1")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(MldeployError, match="not installed: gone-package") as caught:
        install_packages(Quiet())
    assert caught.value.remedy == "run: sudo apt-get install --yes --no-install-recommends gone-package"


def test_another_distribution_is_told_what_is_missing(machine: Path) -> None:
    with pytest.raises(MldeployError, match="not installed: gone-package"):
        install_packages(Quiet())


def test_a_failing_apt_get_is_quoted(machine: Path) -> None:
    apt_get(machine, 'echo "E: Unable to locate package gone-package" >&2; exit 100')
    with pytest.raises(MldeployError, match="could not install gone-package: E: Unable to locate") as caught:
        install_packages(Quiet())
    assert "apt-get install" in caught.value.remedy


def test_a_package_without_its_program_is_noticed(machine: Path) -> None:
    apt_get(machine, "exit 0")
    with pytest.raises(MldeployError, match="yet these are not there: gone-package"):
        install_packages(Quiet())
