"""Writes what `helmfile --environment local` of deployments/published reads, below the checkout's state folder."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml

from mldeploy import lock, paths
from mldeploy.progress import Progress
from mldeploy.published.images import BuiltImages, build
from mldeploy.published.source import Source
from mldeploy.published.sources import source
from mldeploy.toolchain import tool

_STAMP = "stamp"


def prepare(root: Path, names: Sequence[str], progress: Progress) -> tuple[BuiltImages, ...]:
    """Make charts, images and the values that name both, from pinned modules; what was prepared before stays.

    Offline, and the same files for the same tools: `.mldeploy/published/<name>/` holds `chart/` and `values.yaml`.

    Args:
        root: the checkout.
        names: which of `SOURCES`.
        progress: told when images are built.

    Returns:
        The images of each, to be loaded into a cluster.

    Raises:
        MldeployError: one cannot be made here, its program is not installed, or its module is not laid out as expected.
    """
    chosen = [source(name) for name in names]
    return tuple(_prepare(paths.state(root), one, progress) for one in chosen)


def _prepare(state: Path, one: Source, progress: Progress) -> BuiltImages:
    built = build(one.name, progress)
    state.mkdir(mode=0o700, exist_ok=True)
    with lock.exclusive(state / "published.lock", f"prepares {one.name}", progress):
        _write(state, one, built)
    return built


def _write(state: Path, one: Source, built: BuiltImages) -> None:
    folder = state / "published" / one.name
    stamp = folder / _STAMP
    wanted = _identity(one, built)
    if stamp.is_file() and stamp.read_text("utf-8") == wanted:
        return
    folder.parent.mkdir(exist_ok=True)
    # Not in `published`, all of whose folders helmfile reads.
    staging = Path(tempfile.mkdtemp(prefix=f"{one.name}.", dir=state))
    try:
        one.write_chart(staging / "chart")
        values = {"enabled": True, "chart": str((folder / "chart").resolve()), **one.image_values(built.references)}
        (staging / "values.yaml").write_text(yaml.safe_dump({one.key: values}, sort_keys=False), "utf-8")
        (staging / _STAMP).write_text(wanted, "utf-8")
        # Whole or not at all, for whoever reads it meanwhile.
        shutil.rmtree(folder, ignore_errors=True)
        staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _identity(one: Source, built: BuiltImages) -> str:
    """Say what the files are made of: the programs' folders, the images, and the code of this one."""
    folders = [str(tool(program)) for program in one.programs]
    code = hashlib.sha256()
    for module in sorted(Path(__file__).parent.glob("*.py")):
        code.update(module.read_bytes())
    return "\n".join([*folders, *built.references.values(), code.hexdigest(), ""])
