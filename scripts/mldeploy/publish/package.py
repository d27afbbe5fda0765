"""`helm package` with times from git: helm writes each file's modification time into the archive; git keeps none."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mldeploy.errors import MldeployError
from mldeploy.process import run
from mldeploy.publish.sbom import sbom
from mldeploy.toolchain import tool

_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Package:
    """A packaged chart and its SBOM, both in one folder."""

    name: str
    version: str
    archive: Path
    sbom: Path
    sha256: str


def application_charts(root: Path) -> list[str]:
    """Name the charts that can be installed; library charts travel inside them.

    Raises:
        MldeployError: there is none, or a Chart.yaml cannot be read.
    """
    names = [path.parent.name for path in sorted((root / "charts").glob("*/Chart.yaml")) if _is_application(path)]
    if not names:
        raise MldeployError(f"{root / 'charts'}: no chart of type application", remedy="add one")
    return names


def package_charts(root: Path, destination: Path) -> list[Package]:
    """Package every application chart of a clean checkout into `destination`, each with an SBOM beside it.

    Args:
        root: the checkout. Only what git tracks is packaged, as it was committed.
        destination: made if missing; files of the same names are replaced.

    Returns:
        The packages, by name. The same commit gives the same bytes on every machine.

    Raises:
        MldeployError: charts/ has changes that are not committed, or helm refuses a chart.
    """
    changed = run(["git", "status", "--porcelain", "--", "charts"], timeout_s=_TIMEOUT_S, cwd=root).stdout.splitlines()
    if changed:
        raise MldeployError(
            f"{changed[0][3:]}: changed, but not committed", remedy="commit it; a package is made from a commit"
        )
    destination.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mldeploy-charts-") as scratch:
        tree = Path(scratch)
        run(["git", "archive", "--format=tar", f"--output={tree / 'charts.tar'}", "HEAD", "--", "charts"],
            timeout_s=_TIMEOUT_S, cwd=root)  # fmt: skip
        run(["tar", "--extract", "--file", tree / "charts.tar", "--directory", tree], timeout_s=_TIMEOUT_S)
        return [_package(root, tree, name, destination) for name in application_charts(tree)]


def _package(root: Path, tree: Path, name: str, destination: Path) -> Package:
    # Links to library charts become copies, so that their files get times of their own.
    chart = Path(shutil.copytree(tree / "charts" / name, tree / "package" / name, symlinks=False))
    made = [f"charts/{folder}" for folder in (name, *_libraries(chart))]
    stamp = int(run(["git", "log", "-1", "--format=%ct", "--", *made], timeout_s=_TIMEOUT_S, cwd=root).stdout)
    for path in chart.rglob("*"):
        os.utime(path, (stamp, stamp))
    run([tool("helm"), "package", chart, "--destination", tree / "out"], timeout_s=_TIMEOUT_S)
    metadata: dict[str, Any] = yaml.safe_load((chart / "Chart.yaml").read_text("utf-8"))
    archive = Path(shutil.copy2(tree / "out" / f"{name}-{metadata['version']}.tgz", destination))
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    bill = destination / f"{archive.name.removesuffix('.tgz')}.cdx.json"
    bill.write_text(json.dumps(sbom(archive, stamp), indent=2) + "\n", "utf-8")
    return Package(name, str(metadata["version"]), archive, bill, digest)


def _libraries(chart: Path) -> list[str]:
    return sorted(path.parent.name for path in (chart / "charts").glob("*/Chart.yaml"))


def _is_application(path: Path) -> bool:
    try:
        metadata = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise MldeployError(f"{path}: cannot be read ({error})", remedy="see mldeploy lint") from error
    return isinstance(metadata, dict) and metadata.get("type", "application") == "application"
