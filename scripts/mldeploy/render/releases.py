"""Which releases an environment has, and what each is rendered from: helmfile's answer as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from mldeploy.errors import MldeployError
from mldeploy.render import state
from mldeploy.values import Workspace

ROOT_HELMFILE = Path("helmfile.yaml")

# Keys of a release that the SDK is told about or that do not change what is rendered. A release with any other key is
# rendered by helmfile itself: slower, never different.
_UNDERSTOOD = {
    "name", "namespace", "chart", "chartPath", "labels", "values", "version", "installed", "condition", "needs",
    "apiVersions", "kubeVersion", "skipSchemaValidation", "missingFileHandler", "inherit", "hooks", "kubeContext",
    "createNamespace", "wait", "waitForJobs", "waitRetries", "timeout", "atomic", "rollbackOnFailure", "cleanupOnFail",
    "force", "forceConflicts", "recreatePods", "historyMax", "reuseValues", "skipDeps", "skipRefresh", "verify",
    "devel", "disableValidation", "disableOpenAPIValidation", "disableValidationOnInstall", "serverSide", "syncArgs",
    "diffArgs", "description", "deleteWait", "deleteTimeout", "takeOwnership", "trackMode", "suppressDiff",
    "syncReleaseLabels",
}  # fmt: skip
_UNDERSTOOD_DEFAULTS = _UNDERSTOOD | {"plainHttp", "insecureSkipTLSVerify", "tillerless", "cascade"}
_EMPTY: tuple[object, ...] = ("", "false", "0", None, [], {})
_GLOB = set("*?[")


@dataclass(frozen=True)
class Release:
    """One release of one environment.

    Attributes:
        environment, name, namespace, labels: as helmfile has them; its labels include chart, name and namespace.
        chart: the chart as the helmfile names it.
        chart_path: where it is, when it is local; else None.
        values_files: what helm is given with `--values`, lowest layer first.
        needs: releases that are applied before it, as `namespace/name`.
        kube_version, api_versions, skip_schema_validation: what templates are told about the cluster.
        kube_context: the only context that it may be applied to; "" when any.
        file: the helmfile it is from, relative to the checkout.
        special: why it is rendered by helmfile itself; "" when the SDK renders it.
    """

    environment: str
    name: str
    namespace: str
    labels: Mapping[str, str]
    chart: str
    chart_path: Path | None
    values_files: tuple[Path, ...]
    needs: tuple[str, ...]
    kube_version: str
    api_versions: tuple[str, ...]
    skip_schema_validation: bool
    kube_context: str
    file: Path
    special: str

    @property
    def service(self) -> str:
        """The label `service`, or the release's name where there is none."""
        return self.labels.get("service", self.name)


@dataclass(frozen=True)
class Listing:
    """The releases of one environment, or why helmfile could not tell them.

    Attributes:
        releases: in helmfile's order; those that are switched off (`installed: false`, `condition`) are left out.
        error: helmfile's message; "" when there was none.
    """

    environment: str
    releases: tuple[Release, ...] = ()
    error: str = ""


def environments(root: Path, wanted: Sequence[str] = ()) -> list[str]:
    """List the checkout's environments, or check those that somebody asked for.

    Raises:
        MldeployError: the root helmfile is missing or broken, or it does not declare one of those wanted.
    """
    declared = list(Workspace(root).environments)
    for name in wanted:
        if name not in declared:
            near = get_close_matches(name, declared, n=1)
            hint = f"did you mean '{near[0]}'? " if near else ""
            raise MldeployError(f"no such environment: {name}", remedy=f"{hint}choose from {', '.join(declared)}")
    return [name for name in declared if name in wanted] if wanted else declared


def list_releases(root: Path, names: Sequence[str], *, file: Path = ROOT_HELMFILE) -> list[Listing]:
    """Ask helmfile for the releases of some environments, several at once.

    Args:
        root: the checkout.
        names: environments that the helmfile declares (see `environments`).
        file: the helmfile, relative to the checkout.

    Returns:
        One listing for each name, in their order. A helmfile that fails for one does not hide the others.
    """
    with ThreadPoolExecutor(max_workers=4) as pool:
        return list(pool.map(lambda name: _listing(root, name, file), names))


def _listing(root: Path, environment: str, file: Path) -> Listing:
    try:
        releases: list[Release] = []
        for document in state.state(root, file, environment):
            entries = [
                e for e in document.get("releases") or [] if isinstance(e, dict) and e.get("installed") != "false"
            ]
            if any("condition" in entry for entry in entries):
                enabled = state.enabled(root, file, environment)
                entries = [entry for entry in entries if entry.get("name") in enabled]
            releases += [_release(root, environment, file, document, entry) for entry in entries]
    except MldeployError as error:
        return Listing(environment, error=str(error))
    return Listing(environment, tuple(releases))


def _release(
    root: Path, environment: str, file: Path, document: Mapping[str, Any], entry: Mapping[str, Any]
) -> Release:
    folder = (root / file).parent
    chart = str(entry.get("chart", ""))
    chart_path = folder / chart
    defaults = document.get("helmDefaults") or {}
    values, special = _values(folder, entry, str(document.get("missingFileHandler", "Error")))
    unknown = sorted(key for key, value in entry.items() if key not in _UNDERSTOOD and value not in _EMPTY)
    unknown += sorted(
        f"helmDefaults.{key}"
        for key, value in defaults.items()
        if key not in _UNDERSTOOD_DEFAULTS and value not in _EMPTY
    )
    if unknown:
        special = f"uses {', '.join(unknown)}"
    elif not chart_path.exists():
        special = f"chart {chart} is not in this checkout"
    elif not entry.get("namespace"):
        special = "has no namespace"
    return Release(
        environment=environment,
        name=str(entry.get("name", "")),
        namespace=str(entry.get("namespace", "")),
        labels={str(key): str(value) for key, value in (entry.get("labels") or {}).items()},
        chart=chart,
        chart_path=chart_path if chart_path.exists() else None,
        values_files=values,
        needs=tuple(entry.get("needs") or ()),
        kube_version=str(entry.get("kubeVersion") or document.get("kubeVersion") or ""),
        api_versions=tuple(entry.get("apiVersions") or document.get("apiVersions") or ()),
        skip_schema_validation=entry.get("skipSchemaValidation", defaults.get("skipSchemaValidation")) == "true",
        kube_context=_context(document, environment, entry, defaults),
        file=file,
        special=special,
    )


def _context(
    document: Mapping[str, Any], environment: str, entry: Mapping[str, Any], defaults: Mapping[str, Any]
) -> str:
    declared = (document.get("environments") or {}).get(environment) or {}
    return str(entry.get("kubeContext") or declared.get("kubeContext") or defaults.get("kubeContext") or "")


def _values(folder: Path, entry: Mapping[str, Any], handler: str) -> tuple[tuple[Path, ...], str]:
    """Give the values files of a release, and why they are not plain files, if so."""
    found: list[Path] = []
    special = ""
    for value in entry.get("values") or []:
        if not isinstance(value, str):
            special = "has values of its own in the helmfile"
            continue
        path = folder / value
        if value.endswith(".gotmpl") or _GLOB & set(value) or "://" in value:
            special = f"values file {value} is a template, a pattern or remote"
        elif not path.exists() and str(entry.get("missingFileHandler", handler)) != "Error":
            continue
        elif _has_references(path):
            special = f"values file {value} refers to secrets (ref+)"
        found.append(path)
    return tuple(found), special


def _has_references(path: Path) -> bool:
    try:
        return b"ref+" in path.read_bytes()
    except OSError:
        return False  # the renderer says what is wrong with it
