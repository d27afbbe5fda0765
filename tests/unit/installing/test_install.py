"""What is installed is found and used; what is there already is not installed again."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from mldeploy import paths, process
from mldeploy.errors import MldeployError
from mldeploy.progress import Quiet
from mldeploy.toolchain import caches, group_folder, store, tool, tool_environment, tool_file
from mldeploy.toolchain.installation import install
from mldeploy.toolchain.inventory import inventory
from mldeploy.toolchain.pins import Pins, load
from tests.unit.installing.support import TOOLS, Log, flip, output, with_version, write


def test_builds_all_then_does_nothing(pins: Pins) -> None:
    log = Log()
    assert install([], log, pins=pins) == ["alpha", "beta", "beta-plugin"]
    assert output(tool("alpha", pins=pins)) == "alpha 1.2.3"
    assert output(tool("beta", pins=pins)) == "beta unset"
    assert tool_file("beta-plugin", "manifests/base", pins=pins).joinpath("rbac.yaml").read_text() == "kind: Role\n"
    assert sorted(log.steps) == [
        "Building alpha",
        "Building beta (and 1 more of its module)",
        "Removing what only building needed",
    ]
    assert not caches.folder().exists()

    again = Log()
    assert install([], again, pins=pins) == []
    assert (again.steps, again.notes) == ([], [])


def test_a_tag_decides_what_is_built(pins: Pins) -> None:
    folder = pins.folder / "alpha"
    write(folder / "main.go", "package main\n\nfunc main() { println(size) }\n")
    for tag, size in (("!small", "large"), ("small", "small")):
        write(folder / f"{size}.go", f'//go:build {tag}\n\npackage main\n\nconst size = "{size}"\n')
    write(pins.folder / "tools.toml", TOOLS.replace('package = "."\n', 'package = "."\ntags = ["small"]\n'))
    load.cache_clear()
    tagged = load(pins.folder)
    install(["alpha"], Quiet(), pins=tagged)
    assert output(tool("alpha", pins=tagged)) == "small"


def test_environment_and_folders_hold_every_tool(pins: Pins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install([], Quiet(), pins=pins)
    stale = paths.cache() / "sets" / "0123456789abcdef" / "bin"
    monkeypatch.setenv("PATH", f"{stale}:/usr/bin:/bin")
    variables = tool_environment(tmp_path, pins=pins)
    folder = group_folder("deploy", pins=pins)
    assert variables["PATH"] == f"{folder}:{tmp_path}/.venv/bin:/usr/bin:/bin"
    assert sorted(path.name for path in folder.iterdir()) == ["alpha", "beta"]
    plugin = Path(variables["HELM_PLUGINS"]) / "beta-plugin"
    assert (plugin / "plugin.yaml").read_text() == "name: beta\n"
    assert output(plugin / "bin" / "run") == "plugin unset"
    assert process.run(["beta"], timeout_s=30, env=variables).stderr == "beta unset\n"

    (folder / "beta").unlink()
    assert group_folder("deploy", pins=pins) == folder
    assert output(folder / "beta") == "beta unset"


def test_nothing_installed_names_the_remedy(pins: Pins, tmp_path: Path) -> None:
    with pytest.raises(MldeployError, match="alpha is not installed; run mldeploy tools install"):
        tool("alpha", pins=pins)
    with pytest.raises(MldeployError, match="is not installed"):
        tool_environment(tmp_path, pins=pins)
    assert {row.state for row in inventory(pins)} == {"not installed"}


def test_a_hash_is_not_computed_again_while_nothing_changed(pins: Pins, monkeypatch: pytest.MonkeyPatch) -> None:
    install(["alpha"], Quiet(), pins=pins)
    tool("alpha", pins=pins)
    hashed: list[Path] = []
    real = store.sha256

    def counting(path: Path) -> str:
        hashed.append(path)
        return real(path)

    monkeypatch.setattr(store, "sha256", counting)
    program = tool("alpha", pins=pins)
    assert hashed == []
    program.touch()
    tool("alpha", pins=pins)
    assert hashed == [program]
    store.find("alpha", pins.key(pins.pin("alpha")), thorough=True)
    assert hashed == [program, program]


def test_a_program_on_path_of_exactly_the_version_is_used(pins: Pins, tmp_path: Path) -> None:
    install(["alpha"], Quiet(), pins=pins)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(tool("alpha", pins=pins), elsewhere / "alpha")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{elsewhere}:{os.environ['PATH']}")
        log = Log()
        exact = with_version(pins, "1.2.3")
        assert install(["alpha"], log, pins=exact) == ["alpha"]
        assert log.steps == []
        assert tool("alpha", pins=exact) == elsewhere / "alpha"
        assert inventory(exact)[0].source == str(elsewhere / "alpha")

        # Near is not enough: neither a longer number nor a shorter one.
        for version in ("1.2.30", "1.2", "11.2.3"):
            near = with_version(pins, version)
            with pytest.raises(MldeployError, match=r"go\.mod"):
                install(["alpha"], Quiet(), pins=near)
            assert store.find("alpha", near.key(near.pin("alpha"))) is None

        # The user replaces it: it is no longer what was accepted.
        exact = with_version(pins, "1.2.3")
        flip(elsewhere / "alpha")
        with pytest.raises(store.DamagedError, match=re.escape(str(elsewhere / "alpha"))):
            tool("alpha", pins=exact)


def test_scripts_shims_and_our_own_links_are_not_taken_from_path(pins: Pins, tmp_path: Path) -> None:
    install([], Quiet(), pins=pins)
    script = tmp_path / "script" / "alpha"
    write(script, "#!/bin/sh\necho 1.2.3\n")
    script.chmod(0o755)
    shim = tmp_path / "shim" / "alpha"
    shim.parent.mkdir()
    shutil.copy(tool("alpha", pins=pins), shim.with_name("mise"))
    shim.symlink_to(shim.with_name("mise"))
    ours = group_folder("deploy", pins=pins)
    asking = with_version(pins, "1.2.3")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{script.parent}:{shim.parent}:{ours}:{os.environ['PATH']}")
        with pytest.raises(MldeployError, match=r"go\.mod"):
            install(["alpha"], Quiet(), pins=asking)
