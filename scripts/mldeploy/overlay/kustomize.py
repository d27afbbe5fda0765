"""Runs the pinned kustomize; it reads the folder that it is given and nothing else."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from mldeploy import process
from mldeploy.errors import MldeployError
from mldeploy.toolchain import tool

_TIMEOUT_S = 60.0


def build(folder: Path) -> str:
    """Give what `kustomize build` prints for a folder.

    Raises:
        MldeployError: kustomize is missing, is not the pinned one, or refuses the folder; its message says why.
    """
    try:
        # The process lives for a moment: collecting garbage less often saves a fifth of its time.
        return process.run([tool("kustomize"), "build", folder], timeout_s=_TIMEOUT_S, env={"GOGC": "400"}).stdout
    except process.ProcessError as error:
        said = " ".join(error.stderr.strip().removeprefix("Error: ").split()) or "it was ended"
        raise MldeployError(f"kustomize cannot build {folder}: {said}", remedy="mend what it names") from error


def build_files(files: Mapping[str, str], folder: str) -> str:
    """Build a folder of files that are not on disk yet.

    Args:
        files: texts by path.
        folder: which folder of them to build.

    Raises:
        MldeployError: as for `build`.
    """
    with tempfile.TemporaryDirectory(prefix="mldeploy-kustomize-") as temporary:
        # The real path: kustomize refuses what a link leads out of its folder to.
        home = Path(temporary).resolve()
        for name, text in files.items():
            path = home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        try:
            return build(home / folder)
        except MldeployError as error:
            raise MldeployError(error.message.replace(f"{home}/", ""), remedy=error.remedy) from error
