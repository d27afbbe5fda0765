"""What cannot be built or fetched is said, with what to do; what was finished stays."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest

from mldeploy.errors import MldeployError
from mldeploy.progress import Quiet
from mldeploy.toolchain import caches, tool
from mldeploy.toolchain.complaint import explain
from mldeploy.toolchain.installation import install
from mldeploy.toolchain.inventory import inventory
from mldeploy.toolchain.pins import Pins, load
from tests.unit.installing.support import TOOLS, output, write


def need(pins: Pins, module: str, digest: str) -> None:
    """Let alpha import a module that nobody has."""
    folder = pins.folder / "alpha"
    with (folder / "go.mod").open("a", encoding="utf-8") as file:
        file.write(f"\nrequire {module} v1.0.0\n")
    lines = [f"{module} v1.0.0 {digest}", f"{module} v1.0.0/go.mod h1:6PRgIyWoFh1ZPCL2HgRqzTXs7vDAZhRI1nHGPJ4vjhM="]
    (folder / "go.sum").write_text("\n".join(lines) + "\n", "utf-8")
    write(folder / "main.go", f'package main\n\nimport "{module}"\n\nfunc main() {{ println(other.Name) }}\n')


@pytest.mark.parametrize("error", ["func broken( {", "var broken = undefined"])
def test_a_compile_error_is_shown_and_gone_on_from(pins: Pins, error: str) -> None:
    source = pins.folder / "beta" / "cmd" / "beta" / "main.go"
    good = source.read_text("utf-8")
    source.write_text(f"{good}\n{error}\n", "utf-8")
    with pytest.raises(MldeployError, match=r"beta: go build failed(.|\n)*main\.go:\d+:\d+: ") as caught:
        install(["beta", "beta-plugin"], Quiet(), pins=pins)
    assert "goes on from here" in caught.value.remedy
    assert caches.are_ours()

    source.write_text(good, "utf-8")
    install([], Quiet(), pins=pins)
    assert output(tool("beta", pins=pins)) == "beta unset"
    assert not caches.folder().exists()


def test_a_compile_error_is_shown_however_much_is_compiled_after_it() -> None:
    after = [f"example.invalid/package{number}" for number in range(50)]
    error = explain(["# example.invalid/beta", "./main.go:3:13: undefined: undefined", *after], Path("beta"))
    assert error.message == ("beta: go build failed\n  # example.invalid/beta\n  ./main.go:3:13: undefined: undefined")


def test_a_program_that_was_finished_before_the_error_is_kept(pins: Pins) -> None:
    source = pins.folder / "beta" / "cmd" / "beta" / "main.go"
    source.write_text(source.read_text("utf-8") + "\nvar broken = undefined\n", "utf-8")
    with pytest.raises(MldeployError, match="undefined: undefined"):
        install(["beta", "beta-plugin"], Quiet(), pins=pins)
    assert {row.name: row.state for row in inventory(pins)} == {
        "alpha": "not installed",
        "beta": "not installed",
        "beta-plugin": "good",
    }


def test_a_module_that_cannot_be_fetched_names_the_network(pins: Pins, monkeypatch: pytest.MonkeyPatch) -> None:
    need(pins, "example.invalid/other", "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
    # A port of this machine that nobody listens on.
    monkeypatch.setenv("GOPROXY", "http://127.0.0.1:9")
    with pytest.raises(MldeployError, match=r"alpha: a module could not be fetched: .*127\.0\.0\.1:9") as caught:
        install(["alpha"], Quiet(), pins=pins)
    assert "GOPROXY" in caught.value.remedy


def test_a_module_with_another_hash_is_refused_naming_both(
    pins: Pins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    need(pins, "example.invalid/other", expected)
    proxy = tmp_path / "proxy" / "example.invalid" / "other" / "@v"
    content = {"go.mod": "module example.invalid/other\n", "other.go": "package other\n\nconst Name = 1\n"}
    write(proxy / "v1.0.0.mod", content["go.mod"])
    write(proxy / "v1.0.0.info", '{"Version": "v1.0.0"}')
    with zipfile.ZipFile(proxy / "v1.0.0.zip", "w") as archive:
        for name, text in content.items():
            archive.writestr(f"example.invalid/other@v1.0.0/{name}", text)
    monkeypatch.setenv("GOPROXY", f"file://{tmp_path / 'proxy'}")
    monkeypatch.setenv("GOSUMDB", "off")
    with pytest.raises(MldeployError, match=r"is not what go.sum says it is") as caught:
        install(["alpha"], Quiet(), pins=pins)
    assert len(set(re.findall(r"h1:\S+", caught.value.message))) == 2
    assert expected in caught.value.message


def test_a_version_that_go_mod_does_not_have_is_refused(pins: Pins) -> None:
    write(pins.folder / "tools.toml", TOOLS.replace("[beta]\n", '[beta]\nversion = "v9.9.9"\n'))
    load.cache_clear()
    with pytest.raises(MldeployError, match=r"go\.mod: has .*, tools.toml says v9.9.9"):
        install(["beta"], Quiet(), pins=load(pins.folder))


def test_no_space_is_said_before_anything_is_built(pins: Pins) -> None:
    write(pins.folder / "tools.toml", TOOLS.replace("[beta]\n", "[beta]\nbuild_mb = 2000000000\n"))
    load.cache_clear()
    with pytest.raises(MldeployError, match=r"building needs 2000000000 MB more, \d+ MB are free"):
        install(["beta"], Quiet(), pins=load(pins.folder))
    assert not caches.folder().exists()


def test_caches_of_somebody_else_stay(pins: Pins) -> None:
    caches.folder().mkdir(parents=True)
    install([], Quiet(), pins=pins)
    assert caches.folder().is_dir()
