"""Whether a release's ExternalSecrets can be synced, asked of the operator itself before anything is changed.

Helm waits for an ExternalSecret until its timeout, whatever the operator says about it. Here the operator is shown a
copy that makes no Secret, and what it says within seconds is the answer: the store's rights, its reach, the secret and
the property in it are all tried by the one who will need them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import yaml

from mldeploy import process
from mldeploy.errors import MldeployError
from mldeploy.secrets.condition import ready
from mldeploy.values import Release

_KIND = "externalsecrets.external-secrets.io"
_HELM_S = 60.0
_KUBECTL_S = 30.0
# The operator's own word comes in a second; after this it has none.
_ANSWER_S = 20.0
# An event follows its condition within this, or is not written at all.
_EVENT_S = 10.0
# A store that was made a moment ago has to be tried by the operator first; one that is broken stays so for longer.
_STORE_S = 15.0
_POLL_S = 0.2


@dataclass(frozen=True)
class Chosen:
    """What a run of helmfile chooses besides the repository: its `--values` and `--set`, context and kubeconfig."""

    values: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    context: str = ""
    kubeconfig: str = ""

    @classmethod
    def of(cls, argv: Sequence[str]) -> Chosen:
        """Read helmfile's arguments."""
        found: dict[str, list[str]] = {"--values": [], "--set": [], "--kube-context": [], "--kubeconfig": []}
        words = iter(argv)
        for word in words:
            name, given, value = word.partition("=")
            if name in found:
                found[name].append(value if given else next(words, ""))
        context, kubeconfig = (found[name][-1:] or [""] for name in ("--kube-context", "--kubeconfig"))
        return cls(tuple(found["--values"]), tuple(found["--set"]), context[0], kubeconfig[0])


def check(release: Release, chosen: Chosen) -> None:
    """Ask the operator whether it can make the Secrets that a release will wait for.

    Args:
        release: as the repository has it.
        chosen: what this run of helmfile sets besides.

    Raises:
        MldeployError: it cannot, or it does not answer: the ExternalSecret, the reason, what to do.
        ProcessError: the chart cannot be rendered.
    """
    for wanted in _external_secrets(release, chosen):
        _try(wanted, release, chosen)


def _external_secrets(release: Release, chosen: Chosen) -> list[dict[str, Any]]:
    files = [*map(str, release.files), *chosen.values]
    given = [word for file in files for word in ("--values", file)]
    given += [word for one in chosen.sets for word in ("--set", one)]
    words = ["helm", "template", release.name, str(release.chart), "--namespace", release.namespace, *given]
    text = process.run(words, timeout_s=_HELM_S).stdout
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [one for one in yaml.load_all(text, loader) if one and one["kind"] == "ExternalSecret"]


def _try(wanted: Mapping[str, Any], release: Release, chosen: Chosen) -> None:
    name = wanted["metadata"]["name"]
    what = f"{release.name}: ExternalSecret {name} cannot be synced"
    trial = {
        "apiVersion": wanted["apiVersion"],
        "kind": wanted["kind"],
        "metadata": {"name": f"{name}-check", "namespace": release.namespace, "labels": wanted["metadata"]["labels"]},
        # Fetched once, and written nowhere.
        "spec": {
            **wanted["spec"],
            "refreshInterval": "0",
            "target": {"name": f"{name}-check", "creationPolicy": "None", "deletionPolicy": "Retain"},
        },
    }
    kubectl = _Kubectl(release.namespace, chosen)
    unready = kubectl.await_store(wanted["spec"]["secretStoreRef"])
    with _created(kubectl, trial, what) as uid:
        said = kubectl.condition(trial["metadata"]["name"])
        if said is None:
            raise MldeployError(
                f"{what}: the operator says nothing about it",
                remedy="see kubectl get pods -n external-secrets; what runs keeps the Secret that it has",
            )
        if said["status"] != "True":
            reason = kubectl.reason(uid) or said.get("message", "")
            # The operator then asks nobody, and says no more than that; what it says of the store is the reason.
            if unready and (why := kubectl.reason(unready)):
                reason = f"{reason}: {why}"
            store = wanted["spec"]["secretStoreRef"]["name"]
            raise MldeployError(
                f"{what}: {reason}",
                remedy=f"put it into the store {store}, or correct externalSecret in the values; nothing was changed",
            )


@contextmanager
def _created(kubectl: _Kubectl, trial: Mapping[str, Any], what: str) -> Iterator[str]:
    name = trial["metadata"]["name"]
    # One that an interrupted check has left is in the way of nothing but the next check.
    kubectl.delete(name, within_s=_ANSWER_S)
    try:
        uid = kubectl.create(trial)
    except process.ProcessError as error:
        said = error.stderr.strip().removeprefix("Error from server (InternalError): ")
        raise MldeployError(
            f"{what}: the cluster does not take it: {said.splitlines()[-1] if said else error.message}",
            remedy="mldeploy up installs the operator and dev's store; see docs/secrets.md for the others",
        ) from error
    try:
        yield uid
    finally:
        kubectl.delete(name)


class _Kubectl:
    """kubectl on the namespace that is deployed to."""

    def __init__(self, namespace: str, chosen: Chosen) -> None:
        options = [f"--context={chosen.context}"] if chosen.context else []
        options += [f"--kubeconfig={chosen.kubeconfig}"] if chosen.kubeconfig else []
        self._words = ["kubectl", *options, "--namespace", namespace]

    def create(self, manifest: Mapping[str, Any]) -> str:
        """Create an object; give its UID, by which its events are told from those of an earlier one of its name."""
        words = [*self._words, "create", "-f", "-", "--output", "jsonpath={.metadata.uid}"]
        return process.run(words, timeout_s=_KUBECTL_S, input_text=json.dumps(manifest)).stdout

    def delete(self, name: str, *, within_s: float = 0) -> None:
        """Delete an object; wait for its end, which is the operator's to allow, no longer than a while."""
        wait = f"--timeout={within_s:g}s" if within_s else "--wait=false"
        # 1: the kind itself is not there, or the object still is.
        words = [*self._words, "delete", _KIND, name, "--ignore-not-found", wait]
        process.run(words, timeout_s=_KUBECTL_S, ok=(0, 1))

    def await_store(self, reference: Mapping[str, str]) -> str:
        """Wait for a new store to be ready; give the UID of one of the namespace's own that is long not ready, or "".

        One that is not there is left to the check.
        """
        kind, group = reference.get("kind", "SecretStore").lower(), _KIND.partition(".")[2]
        words = ["get", f"{kind}s.{group}", reference["name"], "--ignore-not-found"]
        for _ in _tries(_STORE_S):
            done = process.run([*self._words, *words, "--output", "json"], timeout_s=_KUBECTL_S, ok=(0, 1))
            if done.returncode or not done.stdout:
                break
            store = json.loads(done.stdout)
            said = ready(store)
            if said is not None and said["status"] == "True":
                break
            if said is not None and _age(said["lastTransitionTime"]) > _STORE_S:
                # The events of a store of the whole cluster are not in this namespace.
                return str(store["metadata"]["uid"]) if kind == "secretstore" else ""
        return ""

    def condition(self, name: str) -> dict[str, Any] | None:
        """Wait for the operator's word; None: it has none."""
        for _ in _tries(_ANSWER_S):
            if said := ready(self._json("get", _KIND, name)):
                return said
        return None

    def reason(self, uid: str) -> str:
        """Give what the operator's event says, which its condition only sums up."""
        about = f"involvedObject.uid={uid},type=Warning"
        for _ in _tries(_EVENT_S):
            if events := self._json("get", "events", "--field-selector", about)["items"]:
                return " ".join(str(events[-1]["message"]).split())
        return ""

    def _json(self, *words: str) -> dict[str, Any]:
        done = process.run([*self._words, *words, "--output", "json"], timeout_s=_KUBECTL_S)
        found: dict[str, Any] = json.loads(done.stdout)
        return found


def _tries(seconds: float) -> Iterator[None]:
    """Give turns to ask once more, until the time is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(_POLL_S)


def _age(time_text: str) -> float:
    """Give the seconds since a time as Kubernetes writes it."""
    return (datetime.now(UTC) - datetime.fromisoformat(time_text)).total_seconds()
