"""Gives the kustomize chart of a service an environment's objects for as long as helmfile needs them: helmify."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mldeploy import atomic, paths
from mldeploy.errors import MldeployError, RefusedError
from mldeploy.lock import exclusive
from mldeploy.overlay import helm, memory, users
from mldeploy.overlay.layout import Layout, refuse_links, refuse_overlay_name
from mldeploy.overlay.stamp import Origin, origin
from mldeploy.progress import Quiet


def build(root: Path, service: str, environment: str) -> Path:
    """Write an environment's objects into the service's chart.

    Args:
        root: the checkout.
        service: a service that helmfile knows.
        environment: one of its environments.

    Returns:
        The template.

    Raises:
        RefusedError: base or overlay is not what charts and values make of them, another helmfile uses the chart for
            something else, or the template is not a generated one.
        CheckFailedError: a hand-written patch sets what values set too.
        MldeployError: no such service or environment, or kustomize fails.
    """
    refuse_overlay_name(environment)
    layout = Layout(root, service)
    folder = _folder(root)
    remembered = folder / f"{layout.service}.{layout.overlay(environment).name}.json"
    text = memory.recall(remembered)
    if text is None:
        from mldeploy.overlay.carried import carried

        text, inputs = carried(layout, environment)
        if inputs:
            memory.remember(remembered, text, inputs)
    with _alone(layout) as known:
        own = users.helmfile_above()
        others = [user for user in users.read(known) if user != own]
        before = _generated(layout)
        if before not in (None, text):
            _refuse_used(layout, others)
        if before != text:
            _put(layout.manifest, text, folder)
        users.write(known, [*others, *([own] if own is not None else [])])
    return layout.manifest


def clean(root: Path, service: str, environment: str) -> str:
    """Take the template away, unless another helmfile uses it, or it was made for another environment.

    Args:
        root: the checkout.
        service: the service whose chart it is in.
        environment: what it was made for.

    Returns:
        What was left, and why; "" where nothing is.

    Raises:
        RefusedError: what is there was not made here, or somebody edited it.
        MldeployError: an overlay's name instead of an environment's.
    """
    refuse_overlay_name(environment)
    layout = Layout(root, service)
    with _alone(layout) as known:
        own = users.helmfile_above()
        others = [user for user in users.read(known) if user != own]
        users.write(known, others)
        if _generated(layout) is None:
            return ""
        shown = layout.manifest.relative_to(root)
        if others:
            return f"{shown}: left, since helmfile (process {others[0].pid}) uses it"
        if (made_for := helm.environment_of(layout.manifest)) != environment:
            return f"{shown}: left, since it was made for {made_for}"
        layout.manifest.unlink()
    return ""


def _folder(root: Path) -> Path:
    folder = paths.state(root) / "helmify"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


@contextmanager
def _alone(layout: Layout) -> Iterator[Path]:
    """Keep other runs for this service out; gives the file with the chart's users."""
    if not (layout.chart / "Chart.yaml").is_file():
        raise MldeployError(
            f"{layout.chart.relative_to(layout.root)}: is no chart",
            remedy="make it as the other services' (docs/overlays.md)",
        )
    refuse_links(layout.root, layout.manifest)
    folder = _folder(layout.root)
    with exclusive(folder / f"{layout.service}.lock", f"gives {layout.service} its objects", Quiet()):
        yield folder / f"{layout.service}.users"


def _generated(layout: Layout) -> str | None:
    """Give the template that is there; None: none is."""
    try:
        text = layout.manifest.read_bytes().decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    if origin(text) is not Origin.OURS:
        what = "was edited by hand" if origin(text) is Origin.EDITED else "was not made by scripts/helmify"
        raise RefusedError(
            f"{layout.manifest.relative_to(layout.root)}: {what}; it was left as it is", remedy="move it away"
        )
    return text


def _refuse_used(layout: Layout, others: list[users.User]) -> None:
    if others:
        made_for = helm.environment_of(layout.manifest)
        raise RefusedError(
            f"{layout.chart.relative_to(layout.root)}: helmfile (process {others[0].pid}) is using it with other "
            f"objects, for {made_for}; nothing was written",
            remedy="wait until it has ended",
        )


def _put(path: Path, text: str, staging: Path) -> None:
    """Write a file in one step; nothing of an interrupted attempt is in the chart."""
    path.parent.mkdir(exist_ok=True)
    atomic.write(path, text, staging=staging)
