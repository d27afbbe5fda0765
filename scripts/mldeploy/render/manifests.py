"""Renders releases: those that Helm's SDK can, in one `mldeploy-render` process; the rest by helmfile itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mldeploy import paths, process
from mldeploy.errors import MldeployError
from mldeploy.render import state
from mldeploy.render.releases import Release
from mldeploy.toolchain import tool

_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Rendered:
    """What a release comes to.

    Attributes:
        manifest: exactly what `helm template` prints for it: objects, then hooks; "" when it does not render.
        error: why it does not render; "" when it does.
    """

    release: Release
    manifest: str
    error: str = ""


def render(root: Path, releases: Sequence[Release], *, include_crds: bool = False) -> list[Rendered]:
    """Render releases of one checkout.

    Args:
        root: the checkout.
        releases: what to render (see `list_releases`).
        include_crds: give the objects of the charts' `crds/` folders too, as `helm template --include-crds` does.

    Returns:
        One result for each release, in their order; one that does not render carries its error.

    Raises:
        MldeployError: a tool is not installed, or the renderer itself failed.
    """
    plain = [release for release in releases if not release.special]
    special = [release for release in releases if release.special]
    with ThreadPoolExecutor(max_workers=2) as pool:
        others = pool.map(lambda release: _by_helmfile(root, release, include_crds), special)
        done = {id(each.release): each for each in _by_sdk(plain, include_crds)}
        done |= {id(each.release): each for each in others}
    return [done[id(release)] for release in releases]


def _by_sdk(releases: Sequence[Release], include_crds: bool) -> list[Rendered]:
    if not releases:
        return []
    request = {
        "cache": str(paths.cache() / "renders"),
        "releases": [
            {
                "name": release.name,
                "namespace": release.namespace,
                "chart": str(release.chart_path),
                "valuesFiles": [str(path) for path in release.values_files],
                "kubeVersion": release.kube_version,
                "apiVersions": list(release.api_versions),
                "includeCRDs": include_crds,
                "skipSchemaValidation": release.skip_schema_validation,
            }
            for release in releases
        ],
    }
    done = process.run([tool("mldeploy-render")], timeout_s=_TIMEOUT_S, input_text=json.dumps(request))
    results = json.loads(done.stdout)["results"]
    return [
        Rendered(release, result["manifest"], result.get("error", ""))
        for release, result in zip(releases, results, strict=True)
    ]


def _by_helmfile(root: Path, release: Release, include_crds: bool) -> Rendered:
    arguments = ["--file", str(release.file), "--environment", release.environment]
    arguments += ["--selector", f"name={release.name},namespace={release.namespace}"]
    arguments += ["template", "--skip-deps", *(["--include-crds"] if include_crds else [])]
    try:
        printed = state.helmfile(root, arguments)
    except MldeployError as error:
        return Rendered(release, "", str(error))
    return Rendered(release, printed.removesuffix("\n") if printed.endswith("\n\n") else printed)
