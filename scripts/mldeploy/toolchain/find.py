"""Finds verified tools, and the environment in which to start them; fast enough for hooks."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from mldeploy import paths
from mldeploy.errors import MldeployError
from mldeploy.toolchain import store
from mldeploy.toolchain.pins import Pins, load

_REMEDY = "run mldeploy tools install"


def tool(name: str, *, pins: Pins | None = None) -> Path:
    """Find a pinned program and verify it.

    Returns:
        The executable. Several programs that call each other belong on PATH: see `tool_environment` and `group_folder`.

    Raises:
        MldeployError: there is no such tool, or it is not installed.
        DamagedError: it is not what was installed.
    """
    return _entry(name, pins or load()).program


def tool_file(name: str, path: str, *, pins: Pins | None = None) -> Path:
    """Find a file or folder that tools.toml copies out of a tool's module (`files`), verified like the program.

    Args:
        name: the tool, such as "metrics-server".
        path: as it is called in the module, such as "manifests/base".
        pins: default: this repository's.

    Raises:
        MldeployError: there is no such tool or file, or it is not installed.
        DamagedError: it is not what was installed.
    """
    found = _entry(name, pins or load()).folder / path
    if not found.exists():
        raise MldeployError(
            f"{name} has no {path}", remedy="add it to the tool's files in scripts/toolchain/tools.toml"
        )
    return found


def group_folder(group: str, *, pins: Pins | None = None) -> Path:
    """Give a folder that holds every program of a group by its name, each of them verified just now.

    Args:
        group: one of `pins.GROUPS`.
        pins: default: this repository's.

    Raises:
        MldeployError: one of them is not installed.
        DamagedError: one of them is not what was installed.
    """
    return _set_folder(group, pins or load()) / "bin"


def tool_environment(root: Path, *, pins: Pins | None = None) -> dict[str, str]:
    """Give the variables with which helmfile, helm and the other deploy tools are started.

    Helm's own homes stay the user's: that is where registry logins are.

    Args:
        root: the checkout, whose `.venv/bin` has the commands that Helmfile's hooks call.
        pins: default: this repository's.

    Returns:
        PATH (pinned tools first, then the checkout's commands), HELM_PLUGINS, and what helm-diff needs with Helm 4.

    Raises:
        MldeployError: a deploy tool is not installed.
        DamagedError: a deploy tool is not what was installed.
    """
    folder = _set_folder("deploy", pins or load())
    own = [str(folder / "bin"), str(root / ".venv" / "bin")]
    before = os.environ.get("PATH", os.defpath).split(os.pathsep)
    # Sets of earlier versions, from an earlier `eval`, go.
    rest = [part for part in before if part and part not in own and not part.startswith(f"{folder.parent}/")]
    return {
        "PATH": os.pathsep.join([*own, *rest]),
        "HELM_PLUGINS": str(folder / "plugins"),
        # Without it helm-diff calls Helm 4 with two flags that exclude each other.
        "HELM_DIFF_USE_UPGRADE_DRY_RUN": "true",
        # Or helmfile asks the network for a newer release of itself.
        "HELMFILE_UPGRADE_NOTICE_DISABLED": "true",
    }


def _entry(name: str, pins: Pins) -> store.Entry:
    pin = pins.pin(name)
    entry = store.find(name, pins.key(pin))
    if entry is None:
        raise MldeployError(f"{pin.label} is not installed", remedy=_REMEDY)
    return entry


def _set_folder(group: str, pins: Pins) -> Path:
    members = [pin for pin in pins.tools.values() if pin.group == group]
    links: dict[str, Path] = {}
    for pin in members:
        entry = _entry(pin.name, pins)
        if pin.plugin:
            links[f"plugins/{pin.name}"] = entry.folder
        else:
            links[f"bin/{pin.name}"] = entry.program
    text = "\n".join(f"{name} {target}" for name, target in sorted(links.items()))
    folder = paths.cache() / "sets" / hashlib.sha256(text.encode()).hexdigest()[:16]
    if not _is_linked(folder, links):
        _link(folder, links)
    return folder


def _is_linked(folder: Path, links: dict[str, Path]) -> bool:
    try:
        return all((folder / name).readlink() == target for name, target in links.items())
    except OSError:
        return False


def _link(folder: Path, links: dict[str, Path]) -> None:
    staging = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(staging, ignore_errors=True)
    for part in ("bin", "plugins"):
        (staging / part).mkdir(parents=True)
    for name, target in links.items():
        (staging / name).symlink_to(target)
    try:
        staging.rename(folder)
    except OSError:
        # Somebody else made it at the same moment, or it was damaged.
        if not _is_linked(folder, links):
            shutil.rmtree(folder, ignore_errors=True)
            staging.rename(folder)
        shutil.rmtree(staging, ignore_errors=True)
