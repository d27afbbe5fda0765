"""Makes the files of base and overlays from the charts and values, and proves each overlay before anybody sees it.

The base is the chart with its own defaults; an overlay is what an environment's values change. So an edit to
`values/staging/` changes files of `overlays/staging/` and no other. What kustomize itself makes of the base (names,
namespace, labels) is asked of kustomize; what is then still different becomes patches; and what kustomize builds in the
end has to be, object by object, what the chart renders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mldeploy.errors import MldeployError
from mldeploy.overlay.builds import Built, Question, builds
from mldeploy.overlay.by_hand import ByHand, read_all, refuse_conflicts
from mldeploy.overlay.layout import BASE, KUSTOMIZATION, OVERLAYS, Layout, overlay_name
from mldeploy.overlay.patches import (
    Differences,
    Id,
    differences,
    file_names,
    identify,
    kustomization,
    labels,
    patch_name,
)
from mldeploy.overlay.same import unequal
from mldeploy.overlay.source import Source, Target
from mldeploy.overlay.stamp import stamp
from mldeploy.plan.objects import manifested
from mldeploy.render.document import write

_SAID = "Made by mldeploy overlay build from {}: change that, never this."
_BELOW = f"../../{BASE}"


@dataclass(frozen=True)
class Generated:
    """What a service's folder is to hold.

    Attributes:
        files: texts by path below the folder.
        built: what kustomize makes of each environment's overlay, hand-written patches included.
    """

    layout: Layout
    files: Mapping[str, str]
    built: Mapping[str, str]


@dataclass
class _Overlay:
    """One overlay as it comes to be."""

    layout: Layout
    source: Source
    environment: str
    target: Target
    base: Mapping[str, str]
    names: Mapping[Id, str]
    hands: Sequence[ByHand]

    @property
    def home(self) -> str:
        return f"{OVERLAYS}/{overlay_name(self.environment)}"

    def bare(self) -> Question:
        """Ask for the base with the overlay's namespace, prefix and labels, before any patch."""
        text = kustomization([_BELOW], target=self.target, labels=labels(self.target))
        return Question({**self.base, f"{self.home}/{KUSTOMIZATION}": text}, self.home)

    def files(self, found: Differences, *, by_hand: bool) -> dict[str, str]:
        """Write the overlay's generated files."""
        said = _SAID.format(f"values/{self.environment}")
        patches = {patch_name(name): each for name, each in found.patches.items()}
        body = kustomization(
            [_BELOW, *sorted(found.resources)],
            target=self.target,
            labels=labels(self.target),
            patches=[*sorted(patches), *(one.name for one in self.hands if by_hand)],
        )
        texts = {name: write(each) for name, each in {**found.resources, **patches}.items()}
        return {f"{self.home}/{name}": stamp(said, each) for name, each in {**texts, KUSTOMIZATION: body}.items()}

    def whole(self, found: Differences, *, by_hand: bool) -> Question:
        """Ask for the overlay, with its hand-written patches or without."""
        written = {f"{self.home}/{one.name}": one.text for one in self.hands if by_hand}
        return Question({**self.base, **self.files(found, by_hand=by_hand), **written}, self.home)


def generate(root: Path, sources: Sequence[Source]) -> list[Generated]:
    """Make base and overlays of some services.

    Args:
        root: the checkout; only hand-written patches are read there.
        sources: what they are made from.

    Raises:
        CheckFailedError: a hand-written patch sets what values set too.
        MldeployError: something that kustomize cannot express, or a hand-written patch that it refuses.
    """
    bases = [_base(source) for source in sources]
    overlays = [
        _Overlay(layout, source, name, target, files, names, read_all(layout, name))
        for source, (files, names) in zip(sources, bases, strict=True)
        for layout in (Layout(root, source.service),)
        for name, target in source.targets.items()
    ]
    found = _differences(overlays, builds([each.bare() for each in overlays]))
    pairs = list(zip(overlays, found, strict=True))
    for overlay, differs in pairs:
        refuse_conflicts(root, overlay.target, differs, overlay.hands)
    plain = builds([each.whole(differs, by_hand=False) for each, differs in pairs])
    _prove(overlays, plain)
    patched = [each.whole(differs, by_hand=True) for each, differs in pairs if each.hands]
    with_hands = iter(builds(patched))
    built = [next(with_hands) if each.hands else one for each, one in zip(overlays, plain, strict=True)]
    made: list[Generated] = []
    for source, (files, _) in zip(sources, bases, strict=True):
        own = [index for index, overlay in enumerate(overlays) if overlay.source is source]
        texts = [overlays[index].files(found[index], by_hand=True) for index in own]
        everything = {**files, **{path: text for each in texts for path, text in each.items()}}
        by_environment = {overlays[index].environment: built[index].text for index in own}
        made.append(Generated(Layout(root, source.service), everything, by_environment))
    return made


def _base(source: Source) -> tuple[dict[str, str], dict[Id, str]]:
    """Write the base's files; gives what each object's file is called, too."""
    said = _SAID.format(source.chart.as_posix())
    names = file_names(source.base, "", {})
    body = kustomization(sorted(names.values()))
    texts = {**{names[identify(each)]: write(each.data) for each in source.base}, KUSTOMIZATION: body}
    return {f"{BASE}/{name}": stamp(said, text) for name, text in texts.items()}, names


def _differences(overlays: Sequence[_Overlay], bare: Sequence[Built]) -> list[Differences]:
    return [
        differences(
            manifested(built.objects, overlay.target.release.namespace),
            overlay.target,
            file_names(overlay.target.objects, overlay.target.prefix, overlay.names),
        )
        for overlay, built in zip(overlays, bare, strict=True)
    ]


def _prove(overlays: Sequence[_Overlay], built: Sequence[Built]) -> None:
    for overlay, one in zip(overlays, built, strict=True):
        release = overlay.target.release
        lines = unequal(overlay.target.objects, list(manifested(one.objects, release.namespace)))
        if lines:
            raise MldeployError(
                f"{release.environment}: kustomize cannot be made to build what {overlay.source.chart} renders for "
                f"{release.name}: {'; '.join(lines)}",
                remedy="deploy this service by its chart, and report this",
            )
