"""Which kube-contexts an environment may be applied to; helmfile's hook asks before anything is changed.

The environment names them in `deployments/<environment>/environment.yaml`, as shell patterns. The context that would be
used is found as helm finds it: an explicit name, HELM_KUBECONTEXT, the first `current-context` of the kubeconfig files.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from mldeploy.errors import MldeployError, RefusedError

_ENVIRONMENT_FILE = "environment.yaml"


def check(root: Path, environment: str, *, context: str = "", kubeconfig: str = "") -> str:
    """Pass if the environment may be applied to the context that helm would use.

    Args:
        root: the checkout.
        environment: name of a folder below `deployments/` that has an `environment.yaml`.
        context: what `--kube-context` names; empty: as helm finds it.
        kubeconfig: what `--kubeconfig` names; empty: as helm finds it.

    Returns:
        The context's name.

    Raises:
        RefusedError: the environment does not name this context, or there is none.
        MldeployError: no such environment, or one of the files cannot be read.
    """
    allowed = contexts(root, environment)
    _refuse_redirection(environment)
    name = context or os.environ.get("HELM_KUBECONTEXT", "") or _current(_kubeconfigs(kubeconfig))
    if any(fnmatchcase(name, pattern) for pattern in allowed):
        return name
    where = f"the kube-context '{name}'" if name else "a cluster: no kube-context is set"
    raise RefusedError(
        f"{environment} may not be applied to {where} (it names {', '.join(allowed)}); nothing was changed",
        remedy=f"kubectl config use-context one of those, or add it to deployments/{environment}/{_ENVIRONMENT_FILE}",
    )


def contexts(root: Path, environment: str) -> Sequence[str]:
    """Read the patterns of kube-contexts that an environment names; never empty.

    Raises:
        MldeployError: no such environment, or its file names none.
    """
    path = root / "deployments" / environment / _ENVIRONMENT_FILE
    if not path.is_file():
        known = sorted(file.parent.name for file in (root / "deployments").glob(f"*/{_ENVIRONMENT_FILE}"))
        near = get_close_matches(environment, known, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise MldeployError(f"no such environment: {environment}", remedy=f"{hint}choose from {', '.join(known)}")
    named = _mapping(path).get("contexts")
    if not isinstance(named, list) or not named or not all(isinstance(item, str) and item for item in named):
        raise MldeployError(f"{path}: names no kube-contexts", remedy="add a list of patterns as contexts:")
    return named


def _refuse_redirection(environment: str) -> None:
    if os.environ.get("HELM_KUBEAPISERVER"):
        raise RefusedError(
            f"{environment}: HELM_KUBEAPISERVER leads helm past the kube-context; nothing was changed",
            remedy="unset HELM_KUBEAPISERVER and choose the cluster by its kube-context",
        )


def _kubeconfigs(explicit: str) -> list[Path]:
    if explicit:
        return [Path(explicit)]
    named = [Path(part) for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return named or [Path.home() / ".kube" / "config"]


def _current(kubeconfigs: Sequence[Path]) -> str:
    for path in kubeconfigs:
        if path.is_file():
            name = _mapping(path).get("current-context")
            if isinstance(name, str) and name:
                return name
    return ""


def _mapping(path: Path) -> Mapping[str, Any]:
    try:
        content = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
    except OSError as error:
        raise MldeployError(f"{path}: {error.strerror}", remedy="make the file readable") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise MldeployError(f"{where}: {error.problem}", remedy="correct the YAML") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise MldeployError(f"{path}: not readable as YAML", remedy="correct the file") from error
    if not isinstance(content, dict):
        raise MldeployError(f"{path}: holds no mapping", remedy="correct the file")
    return content
