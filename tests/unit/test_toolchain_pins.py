"""tools.toml: what is pinned, what decides a tool's key, and what a wrong entry says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from mldeploy.errors import MldeployError
from mldeploy.toolchain.pins import GROUPS, Pins, load

ROOT = Path(__file__).parents[2]
PINS = load()


def declare(folder: Path, text: str) -> Path:
    (folder / "own").mkdir(exist_ok=True)
    (folder / "own" / "go.mod").write_text("module example.invalid/own\n\ngo 1.26.0\n", "utf-8")
    (folder / "own" / "main.go").write_text("package main\n\nfunc main() {}\n", "utf-8")
    (folder / "tools.toml").write_text(text, "utf-8")
    return folder


def read(folder: Path) -> Pins:
    load.cache_clear()
    return load(folder)


@pytest.mark.parametrize("name", PINS.tools)
def test_every_tool_is_pinned_by_its_module(name: str) -> None:
    pin = PINS.pin(name)
    folder = PINS.folder / pin.module
    assert pin.group in GROUPS
    own = re.search(r"^module (\S+)$", (folder / "go.mod").read_text("utf-8"), re.MULTILINE)
    assert own
    if pin.package == "." or pin.package.startswith(f"{own[1]}/"):
        assert list((folder / pin.package.removeprefix(own[1]).lstrip("/")).glob("*.go"))
        assert not pin.version, "a program of our own has no version of its own"
        return
    required = re.findall(r"^(?:require )?\t?(\S+) (v\S+)", (folder / "go.mod").read_text("utf-8"), re.MULTILINE)
    versions = {version for path, version in required if pin.package == path or pin.package.startswith(path + "/")}
    assert versions == {pin.version}
    sums = (folder / "go.sum").read_text("utf-8")
    assert re.search(rf"^\S+ {re.escape(pin.version)} h1:", sums, re.MULTILINE)


def test_every_module_says_what_disk_it_takes() -> None:
    modules = {pin.module for pin in PINS.tools.values()}
    assert {pin.module for pin in PINS.tools.values() if pin.build_mb > 0} == modules


def test_mise_has_the_same_versions() -> None:
    mise = tomllib.loads((ROOT / "mise.toml").read_text("utf-8"))["tools"]
    short = {name.rpartition("/")[2]: version for name, version in mise.items() if name != "python"}
    pinned = {"chart-testing" if pin.name == "ct" else pin.name: pin.version for pin in PINS.tools.values()}
    assert {name: f"v{version}" for name, version in short.items()} == {name: pinned[name] for name in short}
    deploy = {name for name, pin in PINS.tools.items() if pin.group == "deploy" and not pin.plugin}
    assert {"ct" if name == "chart-testing" else name for name in short} >= deploy


def test_stamps_carry_the_version() -> None:
    flags = PINS.ldflags("kubernetes")
    assert "-X k8s.io/component-base/version.gitVersion=v1.36.3" in flags
    assert "-X k8s.io/component-base/version.gitMinor=36" in flags


def test_tags_are_those_of_all_programs_of_a_module(tmp_path: Path) -> None:
    entry = '[{0}]\nmodule = "own"\npackage = "."\ngroup = "test"\ntags = {1}\n'
    pins = read(declare(tmp_path, entry.format("one", '["small"]') + entry.format("two", '["small", "quiet"]')))
    assert pins.tags("own") == ("small", "quiet")
    assert PINS.tags("helm") == ()


def test_the_key_is_of_all_that_decides_the_tool(tmp_path: Path) -> None:
    entry = '[own]\nmodule = "own"\npackage = "."\ngroup = "test"\n'
    pins = read(declare(tmp_path, entry))
    key = pins.key(pins.pin("own"))
    assert pins.key(pins.pin("own")) == key

    (tmp_path / "own" / "main_test.go").write_text("package main\n", "utf-8")
    (tmp_path / "tools.toml").write_text(entry + "build_mb = 5\n", "utf-8")
    assert read(tmp_path).key(read(tmp_path).pin("own")) == key

    (tmp_path / "own" / "main.go").write_text("package main\n\nfunc main() { println() }\n", "utf-8")
    changed = read(tmp_path)
    assert changed.key(changed.pin("own")) != key

    (tmp_path / "tools.toml").write_text(entry + 'stamp = ["main.version=1"]\n', "utf-8")
    stamped = read(tmp_path)
    assert stamped.key(stamped.pin("own")) not in {key, changed.key(changed.pin("own"))}

    (tmp_path / "tools.toml").write_text(entry + 'tags = ["small"]\n', "utf-8")
    tagged = read(tmp_path)
    assert tagged.key(tagged.pin("own")) not in {key, changed.key(changed.pin("own"))}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[own", "tools.toml: "),
        ("own = 1", "own is not a table"),
        ('[own]\nmodule = "own"\npackage = "."\n', "[own] has no group"),
        ('[own]\nmodule = "own"\npackage = "."\ngroup = "other"\n', "[own] has group 'other'"),
        ('[own]\nmodule = "gone"\npackage = "."\ngroup = "test"\n', "module folder gone has no go.mod"),
        ('[own]\nmodule = "own"\npackage = "."\ngroup = "test"\nstamps = []\n', "unknown key 'stamps'"),
        ('[own]\nmodule = "own"\npackage = "."\ngroup = "test"\nask = "version"\n', "ask has the wrong type"),
        ('[own]\nmodule = "own"\npackage = "."\ngroup = "test"\ntags = "a"\n', "tags has the wrong type"),
        ('[own]\nmodule = "own"\npackage = "."\ngroup = "test"\nfiles = [1]\n', "files has the wrong type"),
    ],
)
def test_a_wrong_entry_says_where_and_what(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(MldeployError, match=re.escape(message)) as caught:
        read(declare(tmp_path, text))
    assert str(tmp_path / "tools.toml") in caught.value.message
    assert caught.value.remedy


def test_a_misspelt_tool_gets_a_proposal() -> None:
    with pytest.raises(MldeployError, match="no such tool: helmfil; did you mean 'helmfile'"):
        PINS.pin("helmfil")
