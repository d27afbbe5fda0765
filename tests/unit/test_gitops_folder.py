"""Published folders: replaced as a whole, cleaned of what was made and nothing else, refused where somebody edited."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mldeploy.errors import MldeployError, RefusedError
from mldeploy.gitops import folder, provenance
from mldeploy.gitops.folder import Environment
from mldeploy.gitops.hydrate import environment
from mldeploy.gitops.provenance import Provenance


def made(name: str, **texts: str) -> Environment:
    """An environment with a file in the service `api` for each keyword."""
    files = {f"api/{kind}.yaml": text for kind, text in texts.items()}
    hashes = {path: provenance.sha256(text) for path, text in files.items()}
    about = {"api": {"release": f"{name}-api", "namespace": name, "chart": "api-1", "values": "sha256:0"}}
    return Environment(name, Provenance("c" * 40, False, {"helm": "v4"}, about, hashes), files)


def written(root: Path, environment: Environment) -> Environment:
    before = folder.read(root, environment.name)
    folder.write(root, environment.name, before, environment)
    return environment


def tree(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text("utf-8") for path in sorted(root.rglob("*")) if path.is_file()}


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    environment = written(tmp_path, made("dev", service="kind: Service\n", text="a: é\r\n\n"))
    assert folder.read(tmp_path, "dev") == environment
    assert folder.published(tmp_path) == ["dev"]
    assert folder.read(tmp_path, "prod") is None


def test_only_what_was_made_is_removed(tmp_path: Path) -> None:
    written(tmp_path, made("dev", service="1", deployment="2"))
    (tmp_path / "dev" / "api" / "notes.md").write_text("mine")
    written(tmp_path, made("dev", deployment="3"))
    assert tree(tmp_path).keys() == {"dev/api/deployment.yaml", "dev/api/notes.md", "dev/provenance.yaml"}
    folder.write(tmp_path, "dev", folder.read(tmp_path, "dev"), None)
    assert tree(tmp_path) == {"dev/api/notes.md": "mine"}


def test_an_environment_that_goes_leaves_no_folder(tmp_path: Path) -> None:
    written(tmp_path, made("dev", service="1"))
    written(tmp_path, made("prod", service="1"))
    folder.write(tmp_path, "dev", folder.read(tmp_path, "dev"), None)
    assert [path.name for path in tmp_path.iterdir()] == ["prod"]


@pytest.mark.parametrize("how", ["edited", "removed", "a folder now"])
def test_somebody_else_s_change_is_refused(tmp_path: Path, how: str) -> None:
    written(tmp_path, made("dev", service="1"))
    file = tmp_path / "dev" / "api" / "service.yaml"
    file.unlink()
    if how == "edited":
        file.write_text("2")
    elif how == "a folder now":
        file.mkdir()
    with pytest.raises(RefusedError, match=r"dev/api/service\.yaml: changed since it was published"):
        folder.read(tmp_path, "dev")


def test_a_file_that_nobody_published_is_not_written_over(tmp_path: Path) -> None:
    written(tmp_path, made("dev", service="1"))
    (tmp_path / "dev" / "api" / "deployment.yaml").write_text("mine")
    before = tree(tmp_path)
    with pytest.raises(RefusedError, match=r"dev/api/deployment\.yaml: is there"):
        written(tmp_path, made("dev", service="1", deployment="2"))
    with folder.alone(tmp_path):
        assert tree(tmp_path) == before


def test_a_folder_of_somebody_else_s_is_refused(tmp_path: Path) -> None:
    assert folder.published(tmp_path) == []
    (tmp_path / ".git").mkdir()
    assert folder.published(tmp_path) == []
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(RefusedError, match="holds files"):
        folder.published(tmp_path)


@pytest.mark.parametrize("path", ["../outside.yaml", "api/../../outside.yaml", "{absolute}"])
def test_a_provenance_that_names_files_elsewhere_is_refused(tmp_path: Path, path: str) -> None:
    outside = tmp_path / "outside.yaml"
    outside.write_text("mine")
    root = tmp_path / "folder"
    (root / "dev").mkdir(parents=True)
    named = path.replace("{absolute}", str(outside))
    hashes = {named: provenance.sha256("mine")}
    (root / "dev" / provenance.FILE).write_text(Provenance("c", False, {}, {}, hashes).text())
    with pytest.raises(RefusedError, match="leads out of what was published"):
        folder.read(root, "dev")
    assert outside.read_text() == "mine"


def test_links_are_not_followed(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "folder", tmp_path / "elsewhere"
    root.mkdir()
    written(root, made("dev", service="1"))
    (root / "dev" / "api").rename(elsewhere)
    (root / "dev" / "api").symlink_to(elsewhere)
    with pytest.raises(RefusedError, match="leads out of what was published"):
        folder.read(root, "dev")
    assert (elsewhere / "service.yaml").read_text() == "1"


@pytest.mark.parametrize("name", ["..", ".git", "a/b", "", "-x"])
def test_names_that_are_no_folder_s_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(MldeployError, match="cannot be a folder's name"):
        folder.read(tmp_path, name)


def test_a_damaged_provenance_is_told(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / provenance.FILE).write_text("commit: [")
    with pytest.raises(MldeployError, match="damaged"):
        folder.read(tmp_path, "dev")


@pytest.mark.parametrize("rename", [1, 2])
def test_a_killed_publish_leaves_the_old_or_the_new(
    tmp_path: Path, rename: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, made("dev", service="1"))
    old = tree(tmp_path)
    real, calls = Path.rename, 0

    def killed(self: Path, target: Path) -> Path:
        nonlocal calls
        calls += 1
        if calls == rename:
            raise KeyboardInterrupt
        return real(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            written(tmp_path, made("dev", service="2"))
    with folder.alone(tmp_path):
        assert tree(tmp_path) == old


def test_after_the_last_rename_the_new_stays(tmp_path: Path) -> None:
    written(tmp_path, made("dev", service="2"))
    new = tree(tmp_path)
    (tmp_path / ".dev.old").mkdir()
    (tmp_path / ".dev.new").mkdir()
    with folder.alone(tmp_path):
        assert tree(tmp_path) == new
    assert [path.name for path in tmp_path.iterdir()] == ["dev"]


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    with (
        folder.alone(tmp_path / "new"),
        pytest.raises(RefusedError, match="another publish"),
        folder.alone(tmp_path / "new"),
    ):
        pass


def test_an_environment_has_a_folder_that_applies_nothing() -> None:
    files = environment({"web": {"kustomization.yaml": "web"}})
    assert yaml.safe_load(files["secret-store/kustomization.yaml"])["resources"] == []
    assert yaml.safe_load(files["kustomization.yaml"])["resources"] == ["web"]
    own = environment({"secret-store": {"kustomization.yaml": "a service's"}})
    assert own["secret-store/kustomization.yaml"] == "a service's"
