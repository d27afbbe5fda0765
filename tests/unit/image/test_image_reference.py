"""The tag follows what goes into the image, and nothing else."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from mldeploy.errors import MldeployError
from mldeploy.image import IMAGES, reference
from mldeploy.image.recipes import RECIPES, input_files, recipe

ROOT = Path(__file__).parents[3]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the checkout's image inputs, with other times and modes, in another place."""
    for found in RECIPES.values():
        for path in input_files(ROOT, found):
            target = tmp_path / found.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / found.folder / path, target)
            os.utime(target, (1, 1))
            target.chmod(0o600)
    return tmp_path


@pytest.mark.parametrize("name", IMAGES)
def test_place_time_mode_and_leftovers_change_nothing(copy: Path, name: str) -> None:
    left = copy / "service" / "ml_service" / "__pycache__" / "api.cpython-311.pyc"
    left.parent.mkdir()
    left.write_bytes(b"bytecode")
    (copy / "service" / "README.md").write_text("not in the image", "utf-8")
    (copy / "service" / "wheels").mkdir()
    (copy / "service" / "wheels" / "x.whl").write_bytes(b"fetched by hand")
    assert reference(copy, name) == reference(ROOT, name)
    assert re.fullmatch(rf"localhost/mldeploy/{name}:[0-9a-f]{{12}}", reference(copy, name))


@pytest.mark.parametrize("path", [str(path) for path in input_files(ROOT, RECIPES["ml-service"])])
def test_every_input_counts(copy: Path, path: str) -> None:
    before = reference(copy, "ml-service")
    file = copy / "service" / path
    file.write_bytes(file.read_bytes() + b"\n")
    assert reference(copy, "ml-service") != before
    assert reference(copy, "redis") == reference(ROOT, "redis")


def test_a_renamed_and_an_added_input_count(copy: Path) -> None:
    before = reference(copy, "ml-service")
    package = copy / "service" / "ml_service"
    (package / "api.py").rename(package / "api2.py")
    renamed = reference(copy, "ml-service")
    (package / "more.py").write_text("", "utf-8")
    assert len({before, renamed, reference(copy, "ml-service")}) == 3


def test_a_missing_input_and_an_unknown_image_are_said(copy: Path) -> None:
    (copy / "service" / "build.py").unlink()
    with pytest.raises(MldeployError, match=r"build\.py: missing; restore it: git checkout"):
        reference(copy, "ml-service")
    with pytest.raises(MldeployError, match=r"ml-servce: no such image; the images are ml-service, redis"):
        recipe("ml-servce")


def test_the_locks_name_no_index_and_hash_everything() -> None:
    for lock in RECIPES["ml-service"].locks:
        text = (ROOT / "service" / lock).read_text("utf-8")
        assert "://" not in text
        requirements = re.findall(r"^(\S+==\S+).*\n((?:    --hash=sha256:[0-9a-f]{64}.*\n)+)", text, re.MULTILINE)
        assert len(requirements) == len(re.findall(r"^\S+==", text, re.MULTILINE)) > 5
