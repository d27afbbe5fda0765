"""Renders releases: those that Helm's SDK can, in one `mldeploy-render` process; the rest by helmfile itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mldeploy import paths, process
from mldeploy.errors import MldeployError
from mldeploy.render import state
from mldeploy.render.releases import Release
from mldeploy.toolchain import tool

_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class RenderedObject:
    """One object of a manifest, read as Kubernetes reads it.

    Attributes:
        source: the template it is from, such as `ml-api/templates/service.yaml`; "" where the manifest does not say.
        data: the object.
    """

    source: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Rendered:
    """What a release comes to.

    Attributes:
        manifest: exactly what `helm template` prints for it: objects, then hooks; "" when it does not render.
        objects: the manifest's objects, if they were asked for.
        error: why it does not render; "" when it does.
    """

    release: Release
    manifest: str = ""
    objects: tuple[RenderedObject, ...] = ()
    error: str = ""


def render(
    root: Path, releases: Sequence[Release], *, include_crds: bool = False, objects: bool = False
) -> list[Rendered]:
    """Render releases of one checkout.

    Args:
        root: the checkout.
        releases: what to render (see `list_releases`).
        include_crds: give the objects of the charts' `crds/` folders too, as `helm template --include-crds` does.
        objects: give the objects too, not only the text.

    Returns:
        One result for each release, in their order; one that does not render carries its error.

    Raises:
        MldeployError: a tool is not installed, or the renderer itself failed.
    """
    plain = [release for release in releases if not release.special]
    special = [release for release in releases if release.special]
    with ThreadPoolExecutor(max_workers=2) as pool:
        others = pool.map(lambda release: _by_helmfile(root, release, include_crds), special)
        done = _by_sdk(plain, include_crds, objects) + _with_objects(list(others), objects)
    found = {id(each.release): each for each in done}
    return [found[id(release)] for release in releases]


def variants(release: Release, overrides: Sequence[Mapping[str, Any]]) -> list[Rendered]:
    """Render one release several times, with other values above the chart's defaults, instead of its values files.

    Args:
        release: one that needs no helmfile to render.
        overrides: the values of each render, as its values files would give them together.

    Raises:
        MldeployError: as for `render`.
    """
    asked = [
        {**_question(release, include_crds=True), "valuesFiles": [], "values": [json.dumps(each)]} for each in overrides
    ]
    results = _ask({"releases": asked, "objects": True}) if asked else []
    return [_rendered(release, result) for result in results]


def parse(manifests: Sequence[str]) -> list[tuple[RenderedObject, ...]]:
    """Read manifests that were rendered elsewhere, such as those that Helm keeps in the cluster.

    Raises:
        MldeployError: one of them is no YAML.
    """
    results = _ask({"manifests": list(manifests)}) if manifests else []
    for result in results:
        if error := result.get("error"):
            raise MldeployError(
                f"a stored manifest cannot be read: {error}", remedy="look at it with helm get manifest"
            )
    return [_objects(result) for result in results]


def _by_sdk(releases: Sequence[Release], include_crds: bool, objects: bool) -> list[Rendered]:
    if not releases:
        return []
    asked = [_question(release, include_crds=include_crds) for release in releases]
    results = _ask({"releases": asked, "objects": objects})
    return [_rendered(release, result) for release, result in zip(releases, results, strict=True)]


def _question(release: Release, *, include_crds: bool) -> dict[str, Any]:
    return {
        "name": release.name,
        "namespace": release.namespace,
        "chart": str(release.chart_path),
        "valuesFiles": [str(path) for path in release.values_files],
        "kubeVersion": release.kube_version,
        "apiVersions": list(release.api_versions),
        "includeCRDs": include_crds,
        "skipSchemaValidation": release.skip_schema_validation,
    }


def _rendered(release: Release, result: dict[str, Any]) -> Rendered:
    return Rendered(release, result["manifest"], _objects(result), result.get("error", ""))


def _with_objects(rendered: list[Rendered], objects: bool) -> list[Rendered]:
    if not objects:
        return rendered
    found = parse([each.manifest for each in rendered])
    return [replace(each, objects=own) for each, own in zip(rendered, found, strict=True)]


def _ask(request: dict[str, Any]) -> list[dict[str, Any]]:
    text = json.dumps({"cache": str(paths.cache() / "renders"), **request})
    # The process lives for a moment: collecting garbage less often saves a fifth of its time for 15 MB.
    done = process.run([tool("mldeploy-render")], timeout_s=_TIMEOUT_S, input_text=text, env={"GOGC": "400"})
    results: list[dict[str, Any]] = json.loads(done.stdout)["results"]
    return results


def _objects(result: dict[str, Any]) -> tuple[RenderedObject, ...]:
    return tuple(RenderedObject(each["source"], each["object"]) for each in result.get("objects") or ())


def _by_helmfile(root: Path, release: Release, include_crds: bool) -> Rendered:
    arguments = ["--file", str(release.file), "--environment", release.environment]
    arguments += ["--selector", f"name={release.name},namespace={release.namespace}"]
    arguments += ["template", "--skip-deps", *(["--include-crds"] if include_crds else [])]
    try:
        printed = state.helmfile(root, arguments)
    except MldeployError as error:
        return Rendered(release, error=str(error))
    return Rendered(release, printed.removesuffix("\n") if printed.endswith("\n\n") else printed)
