"""`mldeploy gitops publish`: render, refuse what may not be read, plan, and write into a folder or onto a branch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mldeploy.errors import MldeployError, RefusedError
from mldeploy.gitops import changes, folder, provenance, secrecy
from mldeploy.gitops.branch import Branch
from mldeploy.gitops.folder import Environment
from mldeploy.gitops.hydrate import deployed, environment, hydrate
from mldeploy.gitops.provenance import Provenance
from mldeploy.gitops.source import Source, is_older, open_source
from mldeploy.plan.model import Action, Plan
from mldeploy.plan.reports.text import plain
from mldeploy.plan.whole import Whole, rendered
from mldeploy.render import Rendered, RenderedObject, Selector, environments

_SHORT = 10


@dataclass(frozen=True)
class Publication:
    """What a publish did.

    Attributes:
        plan: from what was published to what is.
        written: something was.
        commit: the branch's new commit; "" for a folder, and where nothing was written.
    """

    plan: Plan
    written: bool
    commit: str = ""


@dataclass(frozen=True)
class Made:
    """What is to be published: environments, and the side with their objects as they are published.

    Attributes:
        whole: all environments of the checkout are in it, so any other that was published goes away.
    """

    source: Source
    side: Whole
    environments: Mapping[str, Environment]
    whole: bool


def to_folder(root: Path, target: Path, *, head: str | None = None, wanted: Sequence[str] = ()) -> Publication:
    """Publish into a folder, which may be in this checkout or anywhere else.

    Args:
        root: the checkout.
        target: the folder; made if it is missing.
        head: see `source.open_source`.
        wanted: environments; none: all, and what was published of others is removed.

    Raises:
        RefusedError: a secret, an uncommitted edit, somebody else's change to what was published, an older commit.
        MldeployError: an environment or ref that does not exist, or a release that does not render.
    """
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise RefusedError(f"{target}: not a folder", remedy="name a folder of its own")
    made = make(open_source(root, head, target), wanted)
    with folder.alone(target):
        plan, written = _update(root, target, made)
    return Publication(plan, written)


def to_branch(branch: Branch, *, head: str | None = None, wanted: Sequence[str] = ()) -> Publication:
    """Publish onto a branch, as one commit whose message is the plan; the checkout is left alone.

    Args:
        branch: this clone's, or a remote's.
        head: see `source.open_source`.
        wanted: see `to_folder`.

    Raises:
        RefusedError: as `to_folder`; or the branch is checked out, or it moves all the time.
        MldeployError: as `to_folder`; or git fails.
    """
    branch.check()
    made = make(open_source(branch.root, head), wanted)
    plans: list[Plan] = []

    def change(files: Path) -> str:
        plan, written = _update(branch.root, files, made)
        plans.append(plan)
        return _message(plan, made.source) if written else ""

    commit = branch.update(change)
    return Publication(plans[-1], bool(commit), commit)


def make(source: Source, wanted: Sequence[str] = ()) -> Made:
    """Render what is to be published.

    Raises:
        RefusedError: there is a secret in it.
        MldeployError: no such environment, a release that does not render or has Helm hooks, two of one service.
    """
    root = source.side.root
    names = environments(root, wanted)
    side = rendered(source.side, names, Selector())
    broken = [listing.error for listing in side.listings if listing.error]
    broken += [f"{each.release.name}: {each.error}" for each in side.rendered if each.error]
    if side.error or broken:
        raise MldeployError(side.error or "\n  ".join(["what does not render is not published:", *broken]))
    objects = {id(each): deployed(each) for each in side.rendered}
    secrecy.refuse_secrets(root, [each for own in objects.values() for each in own])
    as_published = tuple(
        replace(each, objects=tuple(RenderedObject(one.source, one.data) for one in objects[id(each)]))
        for each in side.rendered
    )
    side = replace(side, rendered=as_published)
    made = {name: _environment(source, name, list(side.of(name).values())) for name in names}
    return Made(source, side, made, not wanted)


def _environment(source: Source, name: str, releases: Sequence[Rendered]) -> Environment:
    services: dict[str, dict[str, str]] = {}
    abouts: dict[str, dict[str, str]] = {}
    for each in releases:
        service = folder.check_name(each.release.service)
        if service in services:
            raise MldeployError(
                f"{name}: {each.release.name} and {abouts[service]['release']} are both called {service}",
                remedy="give each a `service` label of its own",
            )
        services[service] = hydrate(each)
        abouts[service] = provenance.about(source.side.root, each.release)
    files = environment(services)
    hashes = {path: provenance.sha256(text) for path, text in files.items()}
    return Environment(name, Provenance(source.commit, source.modified, provenance.tools(), abouts, hashes), files)


def _update(root: Path, target: Path, made: Made) -> tuple[Plan, bool]:
    """Bring a folder up to date, and say what that changes."""
    there = folder.published(target)
    gone = [name for name in there if made.whole and name not in made.environments]
    names = [*made.environments, *gone]
    before = {name: folder.read(target, name) for name in names}
    compared = tuple(changes.compare(root, name, before[name], made.side) for name in names)
    plan = Plan("published", made.source.side.label, compared)
    differing = [name for name in names if _differs(before[name], made.environments.get(name))]
    for name in differing:
        _refuse_older(root, name, before[name], made.source)
    for name in differing:
        folder.write(target, name, before[name], made.environments.get(name))
    return plan, bool(differing)


def _differs(before: Environment | None, after: Environment | None) -> bool:
    # The provenance alone is no difference: what is the same needs no commit that says so.
    return (before.files if before is not None else None) != (after.files if after is not None else None)


def _refuse_older(root: Path, name: str, before: Environment | None, source: Source) -> None:
    if before is not None and is_older(root, source.commit, before.provenance.commit):
        raise RefusedError(
            f"{name}: {before.provenance.commit[:_SHORT]} is published, which comes after {source.commit[:_SHORT]}",
            remedy="to go back, revert the commit and publish the revert",
        )


def _message(plan: Plan, source: Source) -> str:
    actions = [each.action for release in plan.affected for each in release.objects]
    where = ", ".join(each.name for each in plan.environments if each.releases) or "the same by meaning"
    counts = " ".join(f"{action.value}{actions.count(action)}" for action in Action)
    return f"Publish {source.commit[:_SHORT]}: {where} ({counts})\n\n{plain(plan)}\nSource-Commit: {source.commit}\n"
