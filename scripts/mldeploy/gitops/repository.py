"""A git repository inside the cluster, for machines that reach no other: served to Argo CD and Flux, filled by a push.

Nothing leaves the machine: pods read it through a Service, and the push goes through a port-forward to an address that
only port-forwards reach (scripts/toolchain/git-server).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from string import Template

from mldeploy import process
from mldeploy.cluster import Cluster
from mldeploy.cluster.kubectl import Kubectl
from mldeploy.errors import MldeployError
from mldeploy.gitops.images import git_server_image
from mldeploy.progress import Progress
from mldeploy.smoke import forward

NAMESPACE = "git"
SERVICE = "git-server"
REPOSITORY = "deployments.git"
URL = f"http://{SERVICE}.{NAMESPACE}.svc.cluster.local/{REPOSITORY}"
_MANIFEST = Path(__file__).with_name("manifests") / "git-server.yaml"
_PUSH_PORT = 8081
_READY_S = 120.0
_PUSH_S = 120.0
_ASK_S = 30.0
# The user's own git may have a proxy, a password helper or a hook, none of which this push is for.
_PLAIN = ("-c", "http.proxy=", "-c", "credential.helper=", "-c", "core.hooksPath=/dev/null")


def serve(cluster: Cluster, progress: Progress) -> str:
    """Make the repository run in a cluster; one that runs keeps what it has.

    Args:
        cluster: which one; images are loaded into its node.
        progress: told each step.

    Returns:
        The address that pods read it at. A new one is empty: `push` fills it.

    Raises:
        MldeployError: the image cannot be built or loaded, or the pod is not ready in time.
    """
    image = git_server_image(progress)
    cluster.load_image(image.archive, progress)
    kubectl = Kubectl.of(cluster)
    with progress.step("Starting the git repository", key="gitops repository"):
        kubectl.apply(Template(_MANIFEST.read_text("utf-8")).substitute(image=image.reference))
        kubectl.await_rollout(NAMESPACE, f"deployment/{SERVICE}", timeout_s=_READY_S)
    return URL


@contextmanager
def pushing(cluster: Cluster) -> Iterator[str]:
    """Give the address, on this machine's loopback, at which the served repository may be pushed to meanwhile.

    Raises:
        MldeployError: the repository is not served.
    """
    with forward(cluster.kubeconfig, cluster.context, NAMESPACE, f"svc/{SERVICE}", _PUSH_PORT) as one:
        yield f"http://{one.address}/{REPOSITORY}"


def push(checkout: Path, cluster: Cluster, *, revision: str = "HEAD", branch: str = "main") -> str:
    """Put a commit of a checkout, with its history, onto a branch of the served repository, whatever is there.

    Args:
        checkout: a git work tree.
        cluster: where `serve` has started the repository.
        revision: which commit.
        branch: which branch.

    Returns:
        The commit.

    Raises:
        MldeployError: the folder is no git work tree, has no such commit, or the repository is not served.
    """
    git = ["git", "-C", str(checkout)]
    try:
        commit = process.run([*git, "rev-parse", "--verify", f"{revision}^{{commit}}"], timeout_s=_ASK_S).stdout.strip()
    except process.ProcessError as error:
        raise MldeployError(
            f"{checkout}: no commit {revision} in git: {error.stderr.strip()}",
            remedy="what is deployed from git must be committed: clone the repository, or git init, add and commit",
        ) from error
    with pushing(cluster) as address:
        process.run(
            [*git, *_PLAIN, "push", "--quiet", "--force", address, f"{commit}:refs/heads/{branch}"],
            timeout_s=_PUSH_S,
            env={"GIT_TERMINAL_PROMPT": "0"},
        )
    return commit
