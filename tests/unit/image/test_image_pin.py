"""A new tag in the values: that line changes, and no other byte."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mldeploy.errors import MldeployError
from mldeploy.image import pin as module
from mldeploy.image.pin import pin

TAG = "0123456789ab"


@pytest.fixture
def values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "reference", lambda *_: f"localhost/mldeploy/ml-service:{TAG}")
    (tmp_path / "values" / "dev").mkdir(parents=True)
    return tmp_path / "values" / "dev" / "values.yaml"


GOOD = {
    "plain": 'image:\n  tag: "old"\n',
    "comments": '# top\nreplicas: 2 # two\n\nimage: # which\n  # -- it\n  tag: "old" # why\nz:\n  tag: "mine"\n',
    "other keys first": "image:\n  repository: registry/x\n\n  pullPolicy: Always\n  tag: 'old'\nz: [1,   2]\n",
    "unquoted": "image:\n    tag: 1e5\n",
    "an earlier tag": 'queue:\n  image:\n    tag: "redis"\nimage:\n  tag: "old"\n',
    "windows": 'image:\r\n  tag: "old"\r\n',
    "no end of line": 'image:\n  tag: "old"',
    "no value": "image:\n  tag:\nz: 1\n",
    "on one line": "image: {tag: old, repository: x}\n",
    "other letters": '# größer – 🙂\nnote: "ü"\nimage:\n  tag: "old" # ß\n',
    "a tag further down": "image:\n  more:\n    tag: x\n  tag: old\n",
    "twice": "image:\n  tag: first\n  tag: last\n",
}


@pytest.mark.parametrize("before", GOOD.values(), ids=GOOD)
def test_only_the_tag_changes(values: Path, before: str) -> None:
    values.write_bytes(before.encode())
    assert pin(values.parents[2], "dev") is True
    after = values.read_bytes().decode()
    changed = [(a, b) for a, b in zip(before.split("\n"), after.split("\n"), strict=True) if a != b]
    assert len(changed) == 1
    expected = yaml.safe_load(before)
    expected["image"]["tag"] = TAG
    assert yaml.safe_load(after) == expected
    assert pin(values.parents[2], "dev") is False
    assert [path.name for path in values.parent.iterdir()] == ["values.yaml"]


BAD = {
    "empty": "",
    "no image": "a: 1\n",
    "no tag": "image:\n  repository: x\nother:\n  tag: y\n",
    "no map": "image: x\n",
    "a list": "- image\n",
}


@pytest.mark.parametrize("before", BAD.values(), ids=BAD)
def test_a_file_without_the_tag_is_left_alone(values: Path, before: str) -> None:
    values.write_text(before, "utf-8")
    with pytest.raises(MldeployError, match=r"values\.yaml: has no image\.tag"):
        pin(values.parents[2], "dev")
    assert values.read_text("utf-8") == before


def test_broken_yaml_is_said_with_its_place(values: Path) -> None:
    values.write_text('image:\n  tag: "open\n', "utf-8")
    with pytest.raises(MldeployError, match=r"values\.yaml:3:1: found unexpected end of stream"):
        pin(values.parents[2], "dev")


def test_an_unknown_environment_is_said(values: Path) -> None:
    with pytest.raises(MldeployError, match="production: no such environment; one of dev"):
        pin(values.parents[2], "production")
