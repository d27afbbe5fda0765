"""Every step from a bare machine to smoke-tested services, each of which does nothing when it is done already."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mldeploy import paths
from mldeploy.cluster import open_cluster
from mldeploy.errors import RefusedError
from mldeploy.progress import Progress
from mldeploy.smoke import CheckResult, smoke
from mldeploy.toolchain import install, install_packages
from mldeploy.toolchain.pins import ON_DEMAND, load
from mldeploy.up import stores
from mldeploy.up.background import background
from mldeploy.up.extras import extra
from mldeploy.up.place import Extra, Place

ENVIRONMENT = "dev"


@dataclass(frozen=True)
class Outcome:
    """What the sequence did: whether anything was applied, what the smoke tests found, and who deploys dev from now on.

    Attributes:
        daily: the commands of the extras that do (`Extra.daily`); empty: it is `helmfile apply`.
    """

    context: str
    kubeconfig: Path
    applied: bool
    checks: list[CheckResult]
    daily: list[str]


def up(root: Path, progress: Progress, extras: Sequence[str] = ()) -> Outcome:
    """Bring everything up: packages, tools, images, the embedded cluster, secrets, both services in dev, a smoke test.

    Args:
        root: the checkout.
        progress: where the steps are announced.
        extras: what else to bring, by its name (`mldeploy.up.extras`).

    Raises:
        RefusedError: another `up` works on this checkout.
        MldeployError: there is no such extra, or a step failed; what was done stays, and the next run goes on.
    """
    chosen = [extra(name) for name in dict.fromkeys(extras)]
    with _alone(root):
        install_packages(progress)
        logs = paths.state(root) / "up"
        # Images are mostly disk and network, tools are mostly CPU: side by side they take the time of one.
        with background(["image", "build"], logs / "image.log", cwd=root) as images:
            install(_tools(chosen), progress)
            cluster = open_cluster(root)
            cluster.up(progress)
            with progress.step("Building the service's images", key="up.images"):
                images.wait()
        place = Place(root, cluster, progress)
        with background(["image", "load"], logs / "load.log", cwd=root) as loading:
            changed = [stores.install_operator(place), stores.install_store(place, ENVIRONMENT)]
            loading.wait()
        changed.append(_apply(place))
        checks = smoke(root, ENVIRONMENT, kubeconfig=cluster.kubeconfig, context=cluster.context, progress=progress)
        for one in chosen:
            added = one.bring_up(place)
            changed.append(added.changed)
            checks += added.checks
    daily = [one.daily for one in chosen if one.daily]
    return Outcome(cluster.context, cluster.kubeconfig, any(changed), checks, daily)


def _tools(chosen: Sequence[Extra]) -> list[str]:
    """Name all tools but those that only extras and tests need: they take long to build."""
    named = {stores.OPERATOR, *(name for one in chosen for name in one.tools)}
    return [pin.name for pin in load().tools.values() if pin.group not in ON_DEMAND or pin.name in named]


def _apply(place: Place) -> bool:
    return place.apply(
        f"{ENVIRONMENT}/helmfile.yaml",
        title=f"Deploying both services to {ENVIRONMENT}",
        remedy="mend the cause and run this again; `.venv/bin/mldeploy smoke dev` tells more of the pods",
    )


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    folder = paths.state(root)
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / "up.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RefusedError(
                f"{root}: another `mldeploy up` is at work here", remedy="wait for it to end, or interrupt it"
            ) from error
        yield
