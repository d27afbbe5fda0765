"""Writes what is made of other people's Go modules and committed: the API's description of each minor, and CRDs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from mldeploy.check import crds, openapi
from mldeploy.check.modules import Module, fetched
from mldeploy.progress import Progress

_STAGED = re.compile(r"^\s*(k8s\.io/[a-z0-9-]+) => \./staging/", re.MULTILINE)
_MODELS = f"{openapi.MODULE}/pkg/generated/openapi/cmd/models-schema"
_PUBLISHED = Path("api") / "openapi-spec" / "swagger.json"


def stale(root: Path) -> list[Path]:
    """List the files that are missing or not what the sources.toml beside them asks for; nothing is fetched.

    Raises:
        MldeployError: a sources.toml is not right.
    """
    return [*openapi.stale(), *(path for path, _ in crds.stale(root / crds.FOLDER))]


def refresh(root: Path, progress: Progress) -> Iterator[Path]:
    """Make the stale files anew; those of Kubernetes take a minute or two each.

    Args:
        root: the checkout.
        progress: where the steps are announced.

    Yields:
        Each file that was written.

    Raises:
        ProcessError: a module is not served, or is not what the checksum database says.
        MldeployError: there is no compiler, or a module has not what is asked of it.
    """
    for path in openapi.stale():
        version = openapi.sources()[path]
        with fetched(openapi.MODULE, version, progress) as module:
            with progress.step(f"Asking Kubernetes {version} for its API", key="openapi"):
                text = _description(module)
            path.write_text(text, "utf-8")
        yield path
    for path, source in crds.stale(root / crds.FOLDER):
        with fetched(source.module, source.version, progress) as module:
            path.write_text(crds.made(source, module.folder, module.digest), "utf-8")
        yield path


def _description(module: Module) -> str:
    """Describe the API of a release: by the program in its module that prints its models, and by what it publishes."""
    staged = _STAGED.findall((module.folder / "go.mod").read_text("utf-8"))
    # The parts of Kubernetes are modules of their own, released together: v1.36.3 is made of v0.36.3.
    parts = "".join(f"replace {part} => {part} {module.version.replace('v1.', 'v0.', 1)}\n" for part in staged)
    workspace = module.go.home / "openapi"
    workspace.mkdir()
    (workspace / "go.mod").write_text(
        f"module mldeploy.invalid/openapi\n\ngo 1.26.0\n\nrequire {module.name} {module.version}\n\n{parts}", "utf-8"
    )
    module.go.run("mod", "download", module.name, cwd=workspace)
    models = json.loads(module.go.run("run", _MODELS, cwd=workspace))["definitions"]
    published = json.loads((module.folder / _PUBLISHED).read_text("utf-8"))["definitions"]
    source = {"module": module.name, "version": module.version, "digest": module.digest}
    return openapi.compact(openapi.joined(models, published), source)
