"""What seeding refuses before it asks a cluster, and that no refusal shows a value."""

from __future__ import annotations

from pathlib import Path

import pytest

from mldeploy.errors import MldeployError
from mldeploy.progress import Quiet
from mldeploy.secrets import seed
from mldeploy.secrets.check import Chosen

ROOT = Path(__file__).parents[2]
CANARY = "canary-3f9c1e"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with this repository's values, and a state folder of its own."""
    for name in ("helmfile.yaml", "charts", "deployments", "values"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".mldeploy" / "secrets").mkdir(parents=True)
    return tmp_path


def refusal(root: Path, environment: str) -> MldeployError:
    with pytest.raises(MldeployError) as refused:
        seed(root, environment, Quiet(), kubeconfig=root / "no-kubeconfig", context="")
    return refused.value


def given(root: Path, text: str, mode: int = 0o600) -> Path:
    path = root / ".mldeploy" / "secrets" / "dev.yaml"
    path.write_text(text, "utf-8")
    path.chmod(mode)
    return path


@pytest.mark.parametrize("environment", ["prod", "nope"])
def test_a_store_outside_the_cluster_is_not_seeded(environment: str, root: Path) -> None:
    assert refusal(root, environment).message.startswith(f"{environment}: ")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_file_that_others_may_read_is_refused(mode: int, root: Path) -> None:
    path = given(root, f"dev-ml-api:\n  api-keys: {CANARY}\n", mode)
    error = refusal(root, "dev")
    assert error.message == f"{path}: others may read it"
    assert error.remedy == f"chmod 600 {path}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"dev-ml-api: [{CANARY}\n", "not readable as YAML"),
        (f"dev-ml-api: {CANARY}\n", "is not a mapping of secrets to properties to texts"),
        (f"- {CANARY}\n", "is not a mapping of secrets to properties to texts"),
        (f"dev-ml-api:\n  api-keys: [{CANARY}]\n", "is not a mapping of secrets to properties to texts"),
        ("dev-ml-api:\n  api-keys: ''\n", "is not a mapping of secrets to properties to texts"),
        ("dev-ml-api:\n  api-keys: 12\n", "is not a mapping of secrets to properties to texts"),
    ],
)
def test_a_wrong_file_is_refused_without_its_content(text: str, said: str, root: Path) -> None:
    path = given(root, text)
    error = refusal(root, "dev")
    assert error.message == f"{path}: {said}"
    assert CANARY not in str(error)
    assert error.__cause__ is None


def test_an_environment_with_a_vault_is_looked_for_in_the_cluster(root: Path) -> None:
    assert refusal(root, "staging").message == f"{root / 'no-kubeconfig'}: no such kubeconfig"


def test_a_good_file_is_read_and_then_the_cluster_is_asked(root: Path) -> None:
    given(root, f"dev-ml-api:\n  api-keys: {CANARY}\n")
    error = refusal(root, "dev")
    assert error.message == f"{root / 'no-kubeconfig'}: no such kubeconfig"


@pytest.mark.parametrize(
    ("argv", "chosen"),
    [
        (("apply",), Chosen()),
        (("--values", "a.yaml", "apply", "--values=b.yaml"), Chosen(values=("a.yaml", "b.yaml"))),
        (("apply", "--set", "a=b", "--set=c=d,e=f"), Chosen(sets=("a=b", "c=d,e=f"))),
        (("--kube-context", "one", "apply", "--kubeconfig=k"), Chosen(context="one", kubeconfig="k")),
        (("apply", "--selector", "service=ml-api", "--suppress-secrets"), Chosen()),
    ],
)
def test_what_a_run_of_helmfile_chooses_is_asked_about(argv: tuple[str, ...], chosen: Chosen) -> None:
    assert Chosen.of(argv) == chosen
