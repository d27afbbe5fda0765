"""What was installed and is no longer as it was: noticed at use, and repaired."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from mldeploy.progress import Quiet
from mldeploy.toolchain import store, tool, tool_environment
from mldeploy.toolchain.installation import install
from mldeploy.toolchain.inventory import inventory
from mldeploy.toolchain.pins import Pins
from tests.unit.installing.support import Log, entry, flip, output


def test_a_flipped_byte_is_noticed_at_use_and_repaired(pins: Pins, tmp_path: Path) -> None:
    install([], Quiet(), pins=pins)
    program = tool("alpha", pins=pins)
    good = store.sha256(program)
    flip(program)
    bad = store.sha256(program)
    assert good != bad
    for use in (lambda: tool("alpha", pins=pins), lambda: tool_environment(tmp_path, pins=pins)):
        with pytest.raises(store.DamagedError) as caught:
            use()
        assert good in caught.value.message
        assert bad in caught.value.message
        assert caught.value.remedy == "run mldeploy tools install"
    assert [row.name for row in inventory(pins) if row.state.startswith("damaged")] == ["alpha"]

    log = Log()
    assert install([], log, pins=pins) == ["alpha"]
    assert "is installed anew" in log.notes[0]
    assert output(tool("alpha", pins=pins)) == "alpha 1.2.3"


@pytest.mark.parametrize("name", ["bin/run", "plugin.yaml", "manifests/base/rbac.yaml"])
def test_every_copied_file_is_verified(pins: Pins, name: str) -> None:
    install(["beta-plugin"], Quiet(), pins=pins)
    path = entry(pins, "beta-plugin").folder / name
    flip(path)
    with pytest.raises(store.DamagedError, match=re.escape(str(path))):
        tool("beta-plugin", pins=pins)


@pytest.mark.parametrize("damage", ["missing", "added", "mode", "manifest", "foreign"])
def test_other_damage_is_noticed(pins: Pins, damage: str) -> None:
    install(["alpha", "beta"], Quiet(), pins=pins)
    found = entry(pins, "alpha")
    if damage == "missing":
        found.program.unlink()
    elif damage == "added":
        (found.folder / "bin" / "extra").write_text("#!/bin/sh\n")
    elif damage == "mode":
        found.program.chmod(0o444)
    elif damage == "manifest":
        (found.folder / "manifest.json").write_text("{")
    else:
        shutil.copy(entry(pins, "beta").folder / "manifest.json", found.folder / "manifest.json")
    with pytest.raises(store.DamagedError):
        tool("alpha", pins=pins)
    install([], Quiet(), pins=pins)
    assert output(tool("alpha", pins=pins)) == "alpha 1.2.3"
