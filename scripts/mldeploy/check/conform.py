"""Objects against the API's schemas, by kubeconform."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mldeploy import process
from mldeploy.check.problem import Problem
from mldeploy.check.schemas import LOCATION
from mldeploy.check.whole import without_secrets
from mldeploy.toolchain import tool

_TIMEOUT_S = 120.0
_STATUS_UNKNOWN = "could not find schema"


def conform(objects: Sequence[dict[str, Any]], schemas: Sequence[Path]) -> list[list[Problem]]:
    """Check objects against schemas.

    Args:
        objects: what is rendered; secret data is left out of what kubeconform reads.
        schemas: folders of schemas (see `schemas`), the first that has a kind counts.

    Returns:
        The problems of each object, in their order.

    Raises:
        MldeployError: kubeconform is not installed, or failed itself.
    """
    found: list[list[Problem]] = [[] for _ in objects]
    if not objects:
        return found
    locations = [word for folder in schemas for word in ("-schema-location", f"{folder}/{LOCATION}")]
    argv: list[str | Path] = [tool("kubeconform"), "-output", "json", *locations]
    text = "\n---\n".join(json.dumps(_named(each, index)) for index, each in enumerate(objects))
    done = process.run(argv, timeout_s=_TIMEOUT_S, ok=(0, 1), input_text=text)
    for result in json.loads(done.stdout).get("resources") or []:
        found[_index(result)] += _problems(result)
    return found


def _named(each: dict[str, Any], index: int) -> dict[str, Any]:
    """Give the object with a name that its result is recognized by, and without nulls, which the API server drops."""
    metadata = each.get("metadata")
    named = {**each, "metadata": {**(metadata if isinstance(metadata, dict) else {}), "name": f"o{index}"}}
    plain = _without_nulls(without_secrets(named))
    assert isinstance(plain, dict)  # noqa: S101 - it was one
    return plain


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(child) for key, child in value.items() if child is not None}
    return [_without_nulls(child) for child in value] if isinstance(value, list) else value


def _index(result: dict[str, Any]) -> int:
    return int(str(result["name"]).removeprefix("o"))


def _problems(result: dict[str, Any]) -> list[Problem]:
    kind = f"{result['version']} {result['kind']}"
    errors = result.get("validationErrors") or []
    if errors:
        return [Problem("schema", f"{error['path'] or '/'}: {error['msg']}", path=error["path"]) for error in errors]
    if _STATUS_UNKNOWN in result.get("msg", ""):
        return [Problem("unknown-kind", f"no schema for {kind}", remedy="add its CRD below policies/crds")]
    return [Problem("schema", str(result.get("msg", "")))]
