"""What a cluster has: the releases as Helm stored them, and objects that were edited by hand since."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mldeploy import process
from mldeploy.errors import MldeployError
from mldeploy.plan.classify import SCALERS, is_noise
from mldeploy.plan.diff import diff
from mldeploy.plan.model import MISSING, Action, FieldChange, Kind, ObjectChange
from mldeploy.plan.objects import Manifested
from mldeploy.plan.redact import Redactor
from mldeploy.toolchain import tool

_TIMEOUT_S = 60.0
_REQUEST_TIMEOUT = "--request-timeout=20s"
_STORED = "type=helm.sh/release.v1"
_CURRENT = "owner=helm,status!=superseded,status!=uninstalled,status!=uninstalling"
_MANAGER = "helm"
_BOOKKEEPING = (("status",), *(("metadata", key) for key in (
    "managedFields", "resourceVersion", "uid", "creationTimestamp", "generation", "selfLink", "deletionTimestamp",
    "deletionGracePeriodSeconds", "finalizers", "ownerReferences",
)))  # fmt: skip
_SCALED = ("spec", "replicas")


@dataclass(frozen=True)
class Stored:
    """A release as Helm keeps it.

    Attributes:
        manifest: the objects and then the hooks, as `helm template` would print them.
        config: the merged values files that it was applied with.
        status: Helm's word: "deployed", "failed", "pending-upgrade", ...
    """

    name: str
    namespace: str
    revision: int
    status: str
    chart: str
    manifest: str
    config: dict[str, Any]


class Live:
    """A cluster, through kubectl and the current kube-context.

    Args:
        kubeconfig: the file; None: kubectl's own choice (KUBECONFIG, ~/.kube/config).
    """

    def __init__(self, kubeconfig: Path | None = None) -> None:
        self._argv: list[str | Path] = [tool("kubectl"), _REQUEST_TIMEOUT]
        if kubeconfig is not None:
            self._argv += ["--kubeconfig", kubeconfig]

    @property
    def context(self) -> str:
        """The current kube-context's name.

        Raises:
            MldeployError: there is none.
        """
        return self._run("config", "current-context").strip()

    def stored(self, namespace: str) -> list[Stored]:
        """Give the releases of a namespace, each in its last revision.

        Raises:
            MldeployError: the cluster does not answer, refuses, or a release cannot be read.
        """
        text = self._run(
            "get",
            "secrets",
            "--namespace",
            namespace,
            "--field-selector",
            _STORED,
            "--selector",
            _CURRENT,
            "-o",
            "json",
        )
        last: dict[str, Stored] = {}
        for secret in json.loads(text)["items"]:
            each = _decoded(secret)
            if each.name not in last or last[each.name].revision < each.revision:
                last[each.name] = each
        return [last[name] for name in sorted(last)]

    def drift(self, deployed: Sequence[Manifested], redactor: Redactor) -> tuple[list[ObjectChange], str]:
        """Compare live objects with what was deployed, by asking the API server what applying it again would change.

        Args:
            deployed: the objects of stored releases, hooks among them.
            redactor: hides what is secret.

        Returns:
            One change for each object that was edited or deleted, and what the API server refused ("" for nothing).
        """
        wanted = [each for each in deployed if not each.hook]
        if not wanted:
            return [], ""
        manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": [_placed(each) for each in wanted]})
        live = self._objects(manifest, "get", "--ignore-not-found", "--show-managed-fields")
        again = self._objects(
            manifest, "apply", "--server-side", "--dry-run=server", "--force-conflicts", f"--field-manager={_MANAGER}"
        )
        scaled = {
            (each.namespace, target.get("kind", "Deployment"), target.get("name"))
            for each in wanted
            if each.kind in SCALERS
            for target in [(each.data.get("spec") or {}).get("scaleTargetRef") or {}]
        }
        found = []
        for each in wanted:
            key = (each.kind, each.namespace, each.name)
            if key in again.items:
                found += list(
                    _drifted(
                        each, live.items.get(key), again.items[key], redactor, key[1:2] + key[:1] + key[2:] in scaled
                    )
                )
        return found, again.refused or live.refused

    def _objects(self, manifest: str, *words: str) -> _Answer:
        argv = [*self._argv, *words, "-o", "json", "-f", "-"]
        done = process.run(argv, timeout_s=_TIMEOUT_S, ok=(0, 1), input_text=manifest)
        items = {}
        for each in _documents(done.stdout):
            metadata = each.get("metadata") or {}
            items[str(each.get("kind")), str(metadata.get("namespace") or ""), str(metadata.get("name"))] = each
        return _Answer(items, "" if done.returncode == 0 else " ".join(done.stderr.split()))

    def _run(self, *words: str) -> str:
        try:
            return process.run([*self._argv, *words], timeout_s=_TIMEOUT_S).stdout
        except process.ProcessError as error:
            what = " ".join((error.stderr.strip() or error.message).splitlines()[-1:])
            raise MldeployError(
                f"the cluster cannot be asked: {what}", remedy="check the kube-context with kubectl get namespaces"
            ) from error


@dataclass(frozen=True)
class _Answer:
    items: dict[tuple[str, str, str], dict[str, Any]]
    refused: str


def _documents(text: str) -> Iterator[dict[str, Any]]:
    """Give the objects of kubectl's JSON: one object, a list, or several one after the other."""
    decoder = json.JSONDecoder()
    rest = text.strip()
    while rest:
        value, end = decoder.raw_decode(rest)
        if isinstance(value.get("items"), list):
            yield from value["items"]
        else:
            yield value
        rest = rest[end:].strip()


def _placed(each: Manifested) -> dict[str, Any]:
    if not each.namespace:
        return each.data
    return {**each.data, "metadata": {**each.data.get("metadata", {}), "namespace": each.namespace}}


def _decoded(secret: dict[str, Any]) -> Stored:
    try:
        packed = base64.b64decode(base64.b64decode(secret["data"]["release"]))
        release = json.loads(gzip.decompress(packed))
        hooks = "".join(f"---\n# Source: {each['path']}\n{each['manifest']}\n" for each in release.get("hooks") or ())
        metadata = release["chart"]["metadata"]
        return Stored(
            name=str(release["name"]),
            namespace=str(release["namespace"]),
            revision=int(release["version"]),
            status=str(release["info"]["status"]),
            chart=f"{metadata['name']}-{metadata['version']}",
            manifest=f"{str(release.get('manifest', '')).strip()}\n{hooks}",
            config=release.get("config") or {},
        )
    except (KeyError, TypeError, ValueError, OSError, EOFError) as error:
        name = secret.get("metadata", {}).get("name", "?")
        raise MldeployError(
            f"the stored release {name} cannot be read ({type(error).__name__})", remedy="look at it with helm history"
        ) from error


def _drifted(
    each: Manifested, live: dict[str, Any] | None, again: dict[str, Any], redactor: Redactor, scaled: bool
) -> Iterable[ObjectChange]:
    if live is None:
        yield ObjectChange(
            Action.ADDED, each.api_version, each.kind, each.namespace, each.name, each.source, kinds=(Kind.DRIFT,)
        )
        return
    changes = [change for change in diff(live, again) if not (_ours(change, scaled) or is_noise(change))]
    changes += _by_hand(each, live)
    if changes:
        fields = tuple(redactor.change(each, change) for change in changes)
        yield ObjectChange(
            Action.CHANGED, each.api_version, each.kind, each.namespace, each.name, each.source, fields, (Kind.DRIFT,)
        )


def _ours(change: FieldChange, scaled: bool) -> bool:
    return any(change.path[: len(path)] == path for path in _BOOKKEEPING) or (scaled and change.path == _SCALED)


def _by_hand(each: Manifested, live: dict[str, Any]) -> Iterator[FieldChange]:
    """Give the labels and annotations that a person added with kubectl: applying again leaves them where they are."""
    metadata = live.get("metadata") or {}
    declared = each.data.get("metadata") or {}
    for entry in metadata.get("managedFields") or ():
        if not str(entry.get("manager", "")).startswith("kubectl") or entry.get("subresource"):
            continue
        owned = (entry.get("fieldsV1") or {}).get("f:metadata") or {}
        for kind in ("labels", "annotations"):
            for field in owned.get(f"f:{kind}") or {}:
                name = field.removeprefix("f:")
                value = (metadata.get(kind) or {}).get(name)
                if value is not None and name not in (declared.get(kind) or {}):
                    yield FieldChange(("metadata", kind, name), value, MISSING)
