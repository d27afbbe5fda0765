"""Pushes a packaged chart to an OCI registry; a version that is there already is never replaced."""

from __future__ import annotations

import hashlib
import os
import re
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mldeploy.errors import MldeployError, RefusedError
from mldeploy.process import ProcessError, run
from mldeploy.toolchain import tool

_TIMEOUT_S = 300.0
_DIGEST = re.compile(r"Digest:\s+(sha256:[0-9a-f]{64})")


@dataclass(frozen=True)
class Pushed:
    """Where a chart is: `digest` is its manifest's; `new` is False when the same package was there already."""

    reference: str
    digest: str
    sbom: Path
    new: bool


def push_chart(name: str, folder: Path, repository: str, *, plain_http: bool = False) -> Pushed:
    """Push the package of a chart from `folder`, where `package_charts` put it.

    Args:
        name: the chart's.
        folder: with exactly one package of that chart.
        repository: `oci://registry/path`; the chart's name and version are appended. Log in before, with
            `helm registry login`.
        plain_http: for a registry without TLS, such as one on this machine.

    Raises:
        RefusedError: the registry has that version with other content.
        MldeployError: no such package, or helm cannot push.
    """
    if not repository.startswith("oci://"):
        raise MldeployError(f"{repository}: not an OCI registry", remedy="write it as oci://registry/path")
    found = sorted(
        path for path in folder.glob(f"{name}-*.tgz") if re.fullmatch(rf"{re.escape(name)}-\d.*\.tgz", path.name)
    )
    if len(found) != 1:
        raise MldeployError(f"{folder}: {len(found)} packages of {name}", remedy="run mldeploy charts package first")
    archive = found[0]
    version = archive.name.removeprefix(f"{name}-").removesuffix(".tgz")
    reference = f"{repository.rstrip('/')}/{name}"
    options = ["--plain-http"] if plain_http else []
    there = _pulled(reference, version, options)
    if there is not None and there[0] != hashlib.sha256(archive.read_bytes()).hexdigest():
        raise RefusedError(
            f"{reference}:{version} is in the registry with other content",
            remedy=f"raise version in charts/{name}/Chart.yaml; a published version never changes",
        )
    digest = there[1] if there is not None else _push(name, archive, repository, options)
    return Pushed(f"{reference}:{version}", digest, archive.with_name(f"{name}-{version}.cdx.json"), there is None)


def _push(name: str, archive: Path, repository: str, options: list[str]) -> str:
    # helm writes the archive's time into the manifest, in local time, and with it into the digest: give it one that
    # does not depend on when the file was copied here.
    with tarfile.open(archive) as content:
        stamp = content.getmember(f"{name}/Chart.yaml").mtime
    os.utime(archive, (stamp, stamp))
    done = run([tool("helm"), "push", archive, repository, *options], timeout_s=_TIMEOUT_S, env={"TZ": "UTC"})
    return _digest(done.stdout + done.stderr, archive.name)


def _pulled(reference: str, version: str, options: list[str]) -> tuple[str, str] | None:
    """Give (sha256 of the archive, digest of the manifest) of what the registry has, or None."""
    with tempfile.TemporaryDirectory(prefix="mldeploy-pull-") as scratch:
        try:
            done = run([tool("helm"), "pull", reference, "--version", version, "--destination", scratch, *options],
                       timeout_s=_TIMEOUT_S)  # fmt: skip
        except ProcessError as error:
            if error.returncode is not None and re.search(r"not found|404|NAME_UNKNOWN|MANIFEST_UNKNOWN", error.stderr):
                return None
            raise
        content = next(Path(scratch).glob("*.tgz")).read_bytes()
        return hashlib.sha256(content).hexdigest(), _digest(done.stdout + done.stderr, reference)


def _digest(output: str, what: str) -> str:
    match = _DIGEST.search(output)
    if match is None:
        raise MldeployError(f"helm did not say the digest of {what}", remedy="see that helm is the pinned version")
    return match.group(1)
