"""`mldeploy env`: what a shell gets from eval, whatever the folders are called."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mldeploy import process
from mldeploy.cli import env
from mldeploy.cli import tools as command
from mldeploy.toolchain import find, store
from mldeploy.toolchain.pins import Pins, load

NASTY = 'it\'s a "quoted" $HOME `folder` \\ with spaces'


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout and a cache whose names need quoting, with one tool, installed."""
    root = tmp_path / NASTY / "checkout"
    (root / "deployments").mkdir(parents=True)
    (root / "deployments" / "base.yaml").touch()
    monkeypatch.chdir(root)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / NASTY / "cache"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.delenv("KUBECONFIG", raising=False)
    folder = tmp_path / "declared"
    (folder / "own").mkdir(parents=True)
    (folder / "own" / "go.mod").write_text("module example.invalid/own\n", "utf-8")
    (folder / "tools.toml").write_text('[own]\nmodule = "own"\npackage = "."\ngroup = "deploy"\n', "utf-8")
    pins: Pins = load(folder)
    key = pins.key(pins.pin("own"))
    program = shutil.which("true")
    assert program is not None
    store.add(store.Manifest("own", "", key, "built", "bin/own", {}, 0.0), {"bin/own": Path(program)})
    for module in ("find", "inventory"):
        monkeypatch.setattr(f"mldeploy.toolchain.{module}.load", lambda: pins)
    return root


def in_a_shell(lines: str, question: str) -> str:
    return process.run(["sh", "-c", f'eval "$1"; {question}', "sh", lines], timeout_s=30).stdout


def test_a_shell_gets_the_tools(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert env.main([]) == 0
    lines = capsys.readouterr().out
    assert in_a_shell(lines, "command -v own && own") == f"{find.group_folder('deploy')}/own\n"
    assert in_a_shell(lines, 'echo "$HELM_DIFF_USE_UPGRADE_DRY_RUN ${KUBECONFIG-unset}"') == "true unset\n"
    assert (
        in_a_shell(lines, 'case $PATH in *"$2"*) ;; esac; printf %s "$PATH"').split(":")[1] == f"{checkout}/.venv/bin"
    )


def test_the_cluster_s_kubeconfig_is_given_when_there_is_one(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kubeconfig = checkout / ".mldeploy" / "clusters" / "local" / "kubeconfig"
    kubeconfig.parent.mkdir(parents=True)
    kubeconfig.touch()
    assert env.main([]) == 0
    assert in_a_shell(capsys.readouterr().out, 'printf %s "$KUBECONFIG"') == str(kubeconfig)


def test_the_list_is_a_table(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["list"]) == 0
    header, row, environment = capsys.readouterr().out.splitlines()
    assert header.split() == ["tool", "version", "group", "from", "state", "size"]
    assert row.split()[:5] == ["own", "own", "deploy", "built", "good"]
    assert environment.split()[0] == "checkov"
    assert environment.split()[2:4] == ["internal", "PyPI"]
