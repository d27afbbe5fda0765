"""The External Secrets Operator from its pinned Go module: the image of its program, and the chart that comes with it.

Both stand in for what the publisher's repository and registry have, at the same version, where these are out of reach.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mldeploy import paths
from mldeploy.cluster import archive
from mldeploy.errors import MldeployError
from mldeploy.progress import Progress
from mldeploy.toolchain import tool, tool_file
from mldeploy.toolchain.pins import load

OPERATOR = "external-secrets"
_REPOSITORY = f"localhost/mldeploy/{OPERATOR}"
_CHART = f"deploy/charts/{OPERATOR}"
_CRDS = "deploy/crds/bundle.yaml"
_STAMP = "stamp"
# Of no use to a release: the publisher's own tests, and a lock of dependencies that are dropped.
_LEFT_OUT = ("tests", "ci", "Chart.lock", "README.md.gotmpl")


@dataclass(frozen=True)
class BuiltOperator:
    """The operator's image: its reference, and the OCI archive that it is in."""

    reference: str
    archive: Path


def build_operator(progress: Progress) -> BuiltOperator:
    """Give the image of the pinned program and nothing else, from the cache if it is there.

    Raises:
        MldeployError: the program is not installed.
    """
    program = tool(OPERATOR)
    image = archive.Image(_REPOSITORY, program, (f"/{program.name}",))
    # The program's folder is named for all that it was built from.
    identity = f"{program.parent.parent.name}{image.entrypoint}".encode() + Path(archive.__file__).read_bytes()
    path = paths.cache() / "images" / f"{OPERATOR}-{hashlib.sha256(identity).hexdigest()[:16]}.tar"
    if not path.is_file():
        with progress.step(f"Building image {OPERATOR}", key=f"image-{OPERATOR}"):
            archive.write(path, (image,))
    return BuiltOperator(next(iter(archive.contents(path))), path)


def prepare(root: Path, progress: Progress) -> BuiltOperator:
    """Write what `helmfile --environment local` of deployments/published reads, below the checkout's state folder.

    Offline, and the same files for the same tools: a chart with its CRDs among the templates, as it is published,
    without the dependency that is off by default and not in the module; and the values that name it and the image.

    Args:
        root: the checkout.
        progress: told when the image is built.

    Raises:
        MldeployError: the program is not installed, or its module is not laid out as expected.
    """
    operator = build_operator(progress)
    source = tool_file(OPERATOR, _CHART)
    code = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    wanted = f"{source}\n{operator.reference}\n{code}\n"
    folder = paths.state(root) / "published"
    stamp = folder / _STAMP
    if stamp.is_file() and stamp.read_text("utf-8") == wanted:
        return operator
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        _copy_chart(source, staging / OPERATOR)
        _write_crds(tool_file(OPERATOR, _CRDS), staging / OPERATOR / "templates" / "crds")
        (staging / "local.yaml").write_text(_chosen(folder / OPERATOR, operator.reference), "utf-8")
        (staging / _STAMP).write_text(wanted, "utf-8")
        # Whole or not at all, for whoever reads it meanwhile.
        shutil.rmtree(folder, ignore_errors=True)
        staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return operator


def _chosen(chart: Path, reference: str) -> str:
    repository, _, tag = reference.rpartition(":")
    values = {
        "externalSecrets": {"chart": str(chart.resolve()), "image": {"repository": repository, "tag": tag}},
        # The embedded cluster brings its own.
        "metricsServer": {"enabled": False},
    }
    return yaml.safe_dump(values, sort_keys=False)


def _copy_chart(source: Path, chart: Path) -> None:
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source)
        if path.is_file() and name.parts[0] not in _LEFT_OUT:
            (chart / name).parent.mkdir(parents=True, exist_ok=True)
            (chart / name).write_bytes(path.read_bytes())
    about: dict[str, Any] = yaml.safe_load((chart / "Chart.yaml").read_text("utf-8"))
    del about["dependencies"]
    # The module's release was tagged before its chart was: the program is what counts.
    about["appVersion"] = load().pin(OPERATOR).version
    about["version"] = about["appVersion"].removeprefix("v")
    (chart / "Chart.yaml").write_text(yaml.safe_dump(about, sort_keys=False), "utf-8")


def _write_crds(bundle: Path, folder: Path) -> None:
    """Write each CRD as a template of its own, which `installCRDs` turns off, as in the published chart."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    documents = [text for text in re.split(r"^---\n", bundle.read_text("utf-8"), flags=re.MULTILINE) if text.strip()]
    for text in documents:
        name = re.search(r"^metadata:\n(?:  .*\n)*?  name: (\S+)$", text, re.MULTILINE)
        if not name or "{{" in text:
            raise MldeployError(
                f"{bundle}: holds something that is no CRD, or cannot be a template",
                remedy="see what this version of the module has there",
            )
        content = f"{{{{- if .Values.installCRDs }}}}\n{text.rstrip()}\n{{{{- end }}}}\n"
        (folder / f"{name[1]}.yaml").write_text(content, "utf-8")


def _text(path: Path) -> str:
    return path.read_text("utf-8") if path.is_file() else ""
