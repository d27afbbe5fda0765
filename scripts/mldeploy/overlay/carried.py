"""What a service's kustomize chart has to carry for an environment, after a look whether its overlay is up to date."""

from __future__ import annotations

from pathlib import Path

from mldeploy.errors import MldeployError, RefusedError
from mldeploy.overlay import helm, tree
from mldeploy.overlay.generate import generate
from mldeploy.overlay.layout import OVERLAYS, Layout, overlay_name
from mldeploy.overlay.source import sources
from mldeploy.render import state
from mldeploy.render.releases import ROOT_HELMFILE


def carried(layout: Layout, environment: str) -> tuple[str, list[Path]]:
    """Build a chart's template.

    Args:
        layout: the service's folders.
        environment: one of the environments.

    Returns:
        The template, and the files and folders that it is made from; none where more than files decided it.

    Raises:
        RefusedError: base or overlay is not what charts and values make of them.
        CheckFailedError: a hand-written patch sets what values set too.
        MldeployError: no such service or environment, or kustomize fails.
    """
    root = layout.root
    (source,) = sources(root, [layout.service], [environment])
    if environment not in source.targets:
        raise MldeployError(
            f"{environment}: helmfile has no {layout.service} there",
            remedy="take it out of this environment in deployments/kustomize/helmfile.yaml, too",
        )
    (generated,) = generate(root, [source])
    others = tuple(f"{OVERLAYS}/{each.name}/" for each in _overlays(layout) if each.name != overlay_name(environment))
    outdated = [each for each in tree.stale(layout, generated.files) if not each.name.startswith(others)]
    if outdated:
        raise RefusedError(
            "\n".join(map(str, outdated)),
            remedy=f"run mldeploy overlay build {layout.service}, look at what it changes, and commit it"
            if all(each.ours for each in outdated)
            else tree.EDITED_REMEDY,
        )
    release = source.targets[environment].release
    inputs = [root / ROOT_HELMFILE, root / "deployments", layout.home, *release.values_files]
    inputs += [release.chart_path] if release.chart_path is not None else []
    text = helm.template(layout.service, environment, generated.built[environment])
    return text, inputs if state.is_closed(root, ROOT_HELMFILE) and not release.special else []


def _overlays(layout: Layout) -> list[Path]:
    return sorted(path for path in (layout.home / OVERLAYS).glob("*") if path.is_dir())
