"""One change of a namespace at a time, and none on top of one that was cut off (docs/decisions/0035-one-at-a-time.md).

`mldeploy-hold` takes the namespace's Lease for a running helmfile and keeps it until that has ended. What an earlier
helmfile left unfinished is undone before this one goes on: Helm itself refuses a release in such a state for ever.
"""

from __future__ import annotations

import getpass
import json
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mldeploy import process
from mldeploy.errors import MldeployError, RefusedError
from mldeploy.toolchain import tool

# What a change of one release may take, its rollback included; a helm that was called by hand may run as long.
_HELM_S = 900.0
# Longer than it waits for anything itself (scripts/toolchain/hold/main.go).
_ANSWER_S = 150.0
# Only these make objects in a namespace; destroy needs none to be there.
_MAKERS = frozenset({"apply", "sync"})
LEASE = "mldeploy"


@dataclass(frozen=True)
class Change:
    """What a helmfile is about to do to one release.

    Attributes:
        helmfile: its process number; the namespace is held until it ends.
        command: its subcommand, such as "apply".
        namespace, release: of the release.
        context, kubeconfig: the cluster; empty: as helm finds it.
    """

    helmfile: int
    command: str
    namespace: str
    release: str
    context: str = ""
    kubeconfig: str = ""

    @property
    def cluster(self) -> list[str]:
        """Helm's options for the cluster."""
        named = {"--kube-context": self.context, "--kubeconfig": self.kubeconfig}
        return [word for name, value in named.items() if value for word in (name, value)]


def begin(change: Change, tell: Callable[[str], None]) -> None:
    """Hold the namespace for helmfile, and bring the release out of an unfinished state.

    Args:
        change: by whom and to what.
        tell: told what is undone, before it is.

    Raises:
        RefusedError: somebody else changes the namespace or the release; who, and since when.
        MldeployError: the cluster cannot be asked, or refuses.
    """
    answer = _hold(change)
    if holder := answer.get("holder"):
        raise _refusal(change.namespace, holder)
    if unfinished := answer.get("unfinished"):
        _undo(change, unfinished, tell)


def _hold(change: Change) -> dict[str, Any]:
    request = {
        "kubeconfig": change.kubeconfig,
        "context": change.context,
        "namespace": change.namespace,
        "create": change.command in _MAKERS,
        "release": change.release,
        "pid": change.helmfile,
        "who": f"{getpass.getuser()}@{socket.gethostname()}",
        "command": f"helmfile {change.command}",
    }
    # What ends helmfile's whole process group does not end it: it is in a session of its own.
    said = process.leave_running([tool("mldeploy-hold")], input_text=json.dumps(request), timeout_s=_ANSWER_S)
    try:
        answer: dict[str, Any] = json.loads(said)
    except ValueError as error:
        raise MldeployError(f"mldeploy-hold: {' '.join(said.split())}", remedy="run mldeploy doctor") from error
    if problem := answer.get("error"):
        raise MldeployError(
            f"the namespace {change.namespace} cannot be held: {problem}; nothing was changed",
            remedy="check the kube-context with kubectl get namespaces; its user must be allowed to get, create and "
            "update leases, and to get and list secrets, in the namespace",
        )
    return answer


def _refusal(namespace: str, holder: dict[str, Any]) -> RefusedError:
    what = f"{namespace} is being changed by {holder['command']} of {holder['who']}, since {_clock(holder['since'])}"
    if holder["ending"]:
        what += "; that helmfile has ended, and its helm still works"
    return RefusedError(
        f"{what}; nothing was changed",
        remedy=f"wait for its end, then run the same command again (kubectl get lease {LEASE} -n {namespace} shows it)",
    )


def _undo(change: Change, unfinished: dict[str, Any], tell: Callable[[str], None]) -> None:
    status, revision = unfinished["status"], unfinished["revision"]
    words = _way_out(status, unfinished["good"], change.release)
    since = datetime.fromisoformat(unfinished["since"])
    what = f"{change.release}: revision {revision} is {status} since {_clock(unfinished['since'])}"
    by_hand = ["helm", *words, "--namespace", change.namespace]
    if not unfinished["dead"] and (datetime.now(UTC) - since).total_seconds() < _HELM_S:
        raise RefusedError(
            f"{what}, by a helm that was not started here; nothing was changed",
            remedy=f"wait for its end; if it was killed: {' '.join(by_hand)}",
        )
    tell(f"{what}: that change was cut off; helm {' '.join(words)}")
    # A rollback that fails leaves a state from which Helm goes on by itself.
    process.run([*by_hand, *change.cluster], timeout_s=_HELM_S, ok=(0, 1))


def _way_out(status: str, good: int, release: str) -> Sequence[str]:
    if status == "uninstalling" or not good:
        return ["uninstall", release, "--wait"]
    return ["rollback", release, str(good), "--cleanup-on-fail"]


def _clock(stamp: str) -> str:
    return datetime.fromisoformat(stamp).astimezone().strftime("%H:%M:%S")
