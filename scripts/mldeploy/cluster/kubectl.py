"""kubectl against one cluster, for what is applied and waited for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mldeploy import process
from mldeploy.cluster.provider import Cluster
from mldeploy.toolchain import tool

_APPLY_S = 120.0
_MARGIN_S = 30.0  # after which kubectl, which has a limit of its own, is ended
_MANAGER = "mldeploy"


@dataclass(frozen=True)
class Kubectl:
    """kubectl with a kubeconfig and a context."""

    kubeconfig: Path
    context: str

    @classmethod
    def of(cls, cluster: Cluster) -> Kubectl:
        """Give the one that reaches a cluster."""
        return cls(cluster.kubeconfig, cluster.context)

    def __call__(
        self, *arguments: str, input_text: str | None = None, ok: tuple[int, ...] = (0,), timeout_s: float = _APPLY_S
    ) -> str:
        """Run it; give what it writes to stdout.

        Raises:
            ProcessError: it ended with another code than those of `ok`, or not in time.
        """
        where: list[process.Argument] = ["--kubeconfig", self.kubeconfig, "--context", self.context]
        words = [tool("kubectl"), *where, *arguments]
        return process.run(words, timeout_s=timeout_s, ok=ok, input_text=input_text).stdout

    def apply(self, manifests: str) -> None:
        """Apply manifests on the server's side, as mldeploy; fields that others set differently are taken over.

        Raises:
            ProcessError: the server refuses them.
        """
        self(
            "apply", "--server-side", "--force-conflicts", "--field-manager", _MANAGER, "-f", "-", input_text=manifests
        )

    def wait(self, condition: str, *objects: str, timeout_s: float) -> None:
        """Wait until objects (with `--namespace` where they have one) are as `kubectl wait --for` says.

        Raises:
            ProcessError: one is not in time.
        """
        limit = f"--timeout={timeout_s:g}s"
        self("wait", f"--for={condition}", *objects, limit, timeout_s=timeout_s + _MARGIN_S)

    def await_rollout(self, namespace: str, *workloads: str, timeout_s: float) -> None:
        """Wait until workloads (`deployment/x`) run as they are declared, each for `timeout_s` seconds at most.

        Raises:
            ProcessError: one does not in time.
        """
        for workload in workloads:
            limit = f"--timeout={timeout_s:g}s"
            self("rollout", "status", workload, "--namespace", namespace, limit, timeout_s=timeout_s + _MARGIN_S)
