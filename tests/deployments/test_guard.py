"""A context that the environment does not name is refused before anything is changed, whichever way it was chosen."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from mldeploy import process
from mldeploy.cli import main as cli
from mldeploy.errors import MldeployError

Helmfile = Callable[..., process.Completed]


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Callable[..., Path]:
    """Write a kubeconfig whose clusters are closed ports of this machine."""

    def write(current: str, name: str = "kubeconfig") -> Path:
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": current,
            "clusters": [{"name": "closed", "cluster": {"server": "http://127.0.0.1:1"}}],
            "users": [{"name": "nobody", "user": {}}],
            "contexts": [
                {"name": context, "context": {"cluster": "closed", "user": "nobody"}}
                for context in ("mldeploy-local", "ml-prod", "somebody-elses")
            ],
        }
        path = tmp_path / name
        path.write_text(yaml.safe_dump(document), "utf-8")
        return path

    return write


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KUBECONFIG", "HELM_KUBECONTEXT", "HELM_KUBEAPISERVER"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("environment", "context", "code"),
    [
        ("dev", "mldeploy-local", 0),
        ("dev", "mldeploy-test-17", 0),
        ("prod", "mldeploy-local", 0),
        ("prod", "ml-prod", 0),
        ("dev", "ml-prod", 3),
        ("staging", "ml-prod", 3),
        ("prod", "ml-staging", 3),
        ("dev", "mldeploy", 3),
        ("dev", "MLDEPLOY-LOCAL", 3),
        ("dev", "", 3),
    ],
)
def test_contexts(
    environment: str, context: str, code: int, kubeconfig: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["guard", environment, "--kubeconfig", str(kubeconfig(context))]) == code
    said = capsys.readouterr().err
    assert ("nothing was changed" in said) is (code == 3)
    assert f"deployments/{environment}/environment.yaml" in said if code else not said


def test_the_context_is_found_as_helm_finds_it(
    kubeconfig: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    right, wrong = kubeconfig("mldeploy-local", "right"), kubeconfig("somebody-elses", "wrong")
    monkeypatch.setenv("KUBECONFIG", f"{right}:{wrong}")
    assert cli.main(["guard", "dev"]) == 0
    monkeypatch.setenv("KUBECONFIG", f"{right.parent / 'missing'}:{wrong}:{right}")
    assert cli.main(["guard", "dev"]) == 3
    assert cli.main(["guard", "dev", "--context", "mldeploy-local"]) == 0
    monkeypatch.setenv("HELM_KUBECONTEXT", "mldeploy-local")
    assert cli.main(["guard", "dev"]) == 0
    monkeypatch.setenv("HELM_KUBEAPISERVER", "https://198.51.100.1")
    assert cli.main(["guard", "dev"]) == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("contexts: [", "environment.yaml:2:1: did not find"),
        ("- a", "holds no mapping"),
        ("contexts: []", "names no kube-contexts"),
        ("contexts: mldeploy-*", "names no kube-contexts"),
    ],
)
def test_a_broken_environment_file(
    content: str, said: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(root / "deployments", tmp_path / "deployments")
    (tmp_path / "deployments" / "dev" / "environment.yaml").write_text(content, "utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MldeployError) as caught:
        cli.main(["--debug", "guard", "dev", "--context", "mldeploy-local"])
    assert said in str(caught.value)


def test_an_unknown_environment(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["guard", "prd"]) == 2
    said = capsys.readouterr().err
    assert "no such environment: prd" in said
    assert "did you mean 'prod'?" in said


def test_a_broken_kubeconfig(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "config"
    broken.write_bytes(b"\xff\xfe\x00")
    assert cli.main(["guard", "dev", "--kubeconfig", str(broken)]) == 2
    assert str(broken) in capsys.readouterr().err


@pytest.mark.parametrize("command", ["apply", "sync", "destroy", "test"])
@pytest.mark.parametrize("by", ["current-context", "--kube-context", "--kubeconfig", "HELM_KUBECONTEXT"])
def test_helmfile_changes_nothing_in_a_foreign_context(
    command: str, by: str, helmfile: Helmfile, kubeconfig: Callable[..., Path]
) -> None:
    right, wrong = kubeconfig("mldeploy-local", "right"), kubeconfig("somebody-elses", "wrong")
    match by:
        case "current-context":
            done = helmfile(command, ok=(1,), KUBECONFIG=str(wrong))
        case "--kube-context":
            done = helmfile("--kube-context", "somebody-elses", command, ok=(1,), KUBECONFIG=str(right))
        case "--kubeconfig":
            done = helmfile("--kubeconfig", wrong, command, ok=(1,), KUBECONFIG=str(right))
        case _:
            done = helmfile(command, ok=(1,), KUBECONFIG=str(right), HELM_KUBECONTEXT="somebody-elses")
    assert "dev may not be applied to the kube-context 'somebody-elses'" in done.stderr
    # Nobody asked the cluster for anything: a closed port would have been mentioned.
    assert "connection refused" not in done.stderr


@pytest.mark.parametrize("command", ["apply", "destroy"])
def test_helmfile_goes_on_in_the_environment_s_own_context(
    command: str, helmfile: Helmfile, kubeconfig: Callable[..., Path]
) -> None:
    done = helmfile(command, ok=(1,), KUBECONFIG=str(kubeconfig("mldeploy-local")))
    assert "may not be applied" not in done.stderr
    assert "127.0.0.1:1" in done.stderr  # the way to the cluster was free; there is only nobody there


@pytest.mark.parametrize("command", ["template", "lint", "write-values", "list", "build"])
def test_the_hook_is_not_in_the_way_of_reading(command: str, root: Path, tmp_path: Path) -> None:
    # A folder without .venv: nothing that needs Python may be started.
    guard = tmp_path / "scripts" / "guard"
    guard.parent.mkdir()
    shutil.copy(root / "scripts" / "guard", guard)
    process.run([guard, "dev", command, ""], timeout_s=10)


def test_without_the_tooling_a_change_is_refused(root: Path, tmp_path: Path) -> None:
    guard = tmp_path / "scripts" / "guard"
    guard.parent.mkdir()
    shutil.copy(root / "scripts" / "guard", guard)
    done = process.run([guard, "dev", "apply", ""], timeout_s=10, ok=(2,))
    assert ".venv/bin/mldeploy is missing" in done.stderr
    assert "run scripts/up" in done.stderr
