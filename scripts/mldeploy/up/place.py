"""Where `up` works: checkout, cluster, and helmfile between them; and what an extra is, which works there too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mldeploy.cluster import Cluster
from mldeploy.errors import MldeployError
from mldeploy.process import ProcessError, run
from mldeploy.progress import Progress
from mldeploy.smoke import CheckResult
from mldeploy.toolchain import tool, tool_environment

_APPLY_TIMEOUT_S = 900.0
_NO_CHANGE = 0
_CHANGED = 2


@dataclass(frozen=True)
class Place:
    """The checkout, the cluster that it is deployed to, and who is told of each step."""

    root: Path
    cluster: Cluster
    progress: Progress

    def apply(self, file: str, *arguments: str, title: str, remedy: str) -> bool:
        """Apply a helmfile to the cluster.

        Args:
            file: below deployments/.
            arguments: helmfile's own options, before its command.
            title: what is done, as a person reads it.
            remedy: what to do when it fails.

        Returns:
            Whether anything changed.

        Raises:
            MldeployError: helmfile failed; with what it said.
        """
        environment = {**tool_environment(self.root), "KUBECONFIG": str(self.cluster.kubeconfig)}
        path = self.root / "deployments" / file
        words: list[str | Path] = [tool("helmfile"), "--file", path, "--kube-context", self.cluster.context]
        with self.progress.step(f"{title} (helmfile apply)", key=f"up.apply {file}"):
            try:
                done = run(
                    [*words, *arguments, "apply", "--detailed-exitcode"],
                    timeout_s=_APPLY_TIMEOUT_S,
                    ok=(_NO_CHANGE, _CHANGED),
                    cwd=self.root,
                    env=environment,
                )
            except ProcessError as error:
                raise MldeployError(f"{title}: {error.message}", remedy=remedy) from error
        return done.returncode == _CHANGED


@dataclass(frozen=True)
class Added:
    """What an extra did: whether anything changed, and what its smoke test found."""

    changed: bool
    checks: Sequence[CheckResult] = ()


@dataclass(frozen=True)
class Extra:
    """Something that is not for everybody: it takes time to build, or memory to run.

    Attributes:
        summary: what it brings, for `mldeploy up --help`.
        tools: the pinned programs that it needs beside the usual ones.
        bring_up: makes it run, once dev answers; does nothing where it runs already.
        daily: the command that deploys dev from then on, and a word about it; empty: it stays `helmfile apply`.
    """

    summary: str
    tools: tuple[str, ...]
    bring_up: Callable[[Place], Added]
    daily: str = ""
