"""Every step from a bare machine to smoke-tested services, each of which does nothing when it is done already."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mldeploy import paths
from mldeploy.cluster import open_cluster
from mldeploy.errors import MldeployError, RefusedError
from mldeploy.image import IMAGES, build
from mldeploy.process import ProcessError, run
from mldeploy.progress import Progress
from mldeploy.smoke import CheckResult, smoke
from mldeploy.toolchain import install, install_packages, tool, tool_environment
from mldeploy.toolchain.pins import load
from mldeploy.up.background import background

ENVIRONMENT = "dev"
_APPLY_TIMEOUT_S = 900.0
_NO_CHANGE = 0
_CHANGED = 2


@dataclass(frozen=True)
class Outcome:
    """What the sequence did: whether anything was applied, and what the smoke test found."""

    context: str
    kubeconfig: Path
    applied: bool
    checks: list[CheckResult]


def up(root: Path, progress: Progress) -> Outcome:
    """Bring everything up: packages, tools, images, the embedded cluster, both services in dev, a smoke test.

    Args:
        root: the checkout.
        progress: where the steps are announced.

    Raises:
        RefusedError: another `up` works on this checkout.
        MldeployError: a step failed; what was done stays, and the next run goes on from there.
    """
    with _alone(root):
        install_packages(progress)
        # Images are mostly disk and network, tools are mostly CPU: side by side they take the time of one.
        with background(["image", "build"], paths.state(root) / "up" / "image.log", cwd=root) as images:
            install(_tools(), progress)
            cluster = open_cluster(root)
            cluster.up(progress)
            with progress.step("Building the service's images", key="up.images"):
                images.wait()
        for name in IMAGES:
            cluster.load_image(build(root, name, progress).archive, progress)
        applied = _apply(root, cluster.kubeconfig, cluster.context, progress)
        checks = smoke(root, ENVIRONMENT, kubeconfig=cluster.kubeconfig, context=cluster.context, progress=progress)
    return Outcome(cluster.context, cluster.kubeconfig, applied, checks)


def _tools() -> list[str]:
    """Name all tools but those of deployments/published, which dev does without: they take long to build."""
    return [pin.name for pin in load().tools.values() if pin.group != "published"]


def _apply(root: Path, kubeconfig: Path, context: str, progress: Progress) -> bool:
    """Apply dev with helmfile; say whether anything changed."""
    environment = {**tool_environment(root), "KUBECONFIG": str(kubeconfig)}
    file = root / "deployments" / ENVIRONMENT / "helmfile.yaml"
    with progress.step(f"Deploying both services to {ENVIRONMENT} (helmfile apply)", key="up.apply"):
        try:
            done = run(
                [tool("helmfile"), "--file", file, "--kube-context", context, "apply", "--detailed-exitcode"],
                timeout_s=_APPLY_TIMEOUT_S,
                ok=(_NO_CHANGE, _CHANGED),
                cwd=root,
                env=environment,
            )
        except ProcessError as error:
            raise MldeployError(
                f"the services could not be deployed: {error.message}",
                remedy="mend the cause and run this again; `.venv/bin/mldeploy smoke dev` tells more of the pods",
            ) from error
    return done.returncode == _CHANGED


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
