"""The images of what serves and follows a git repository, on a base that has git."""

from __future__ import annotations

from mldeploy.image import BuiltImage, Layered, build_layered
from mldeploy.image.recipes import LIBRARIES, NEVER_OPENED, Base
from mldeploy.progress import Progress
from mldeploy.toolchain import tool

# git's own shell and Perl scripts go: fetching and serving needs none of them.
_GIT = Base(
    packages=("git", "tini", "ca-certificates"),
    keep=(
        *LIBRARIES,
        "usr/bin/git",
        "usr/bin/tini",
        "usr/lib/git-core/git-http-backend",
        "usr/lib/git-core/git-remote-http",
        "usr/lib/git-core/git-remote-https",
    ),
    drop=NEVER_OPENED,
    docker="",
)
# git leaves children behind, which somebody must reap.
_INIT = ("/usr/bin/tini", "--")
_BIN = "usr/local/bin"
# The names under which Argo CD's one program is called.
_ARGOCD = (
    "argocd-server",
    "argocd-application-controller",
    "argocd-applicationset-controller",
    "argocd-notifications",
    "argocd-repo-server",
)


def git_server_image(progress: Progress) -> BuiltImage:
    """Give the image of the git server.

    Raises:
        MldeployError: the program is not installed, or the base cannot be made.
    """
    programs = {f"{_BIN}/git-server": tool("git-server")}
    return build_layered(Layered("git-server", _GIT, programs, entrypoint=_INIT), progress)


def argocd_image(progress: Progress) -> BuiltImage:
    """Give the image of all of Argo CD, which renders with the pinned helm and kustomize.

    Raises:
        MldeployError: a program is not installed, or the base cannot be made.
    """
    programs = {f"{_BIN}/{name}": tool(name) for name in ("argocd", "helm", "kustomize")}
    links = {f"{_BIN}/{name}": "argocd" for name in _ARGOCD}
    return build_layered(Layered("argocd", _GIT, programs, links, _INIT), progress)
