"""Objects against policies, Pod Security and API life cycles, by `mldeploy-check`: the API server's own code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mldeploy import process
from mldeploy.check.problem import Problem
from mldeploy.toolchain import tool

_TIMEOUT_S = 120.0
LEVEL = "restricted"


def judge(objects: Sequence[dict[str, Any]], policies: Sequence[Path], minor: tuple[int, int]) -> list[list[Problem]]:
    """Judge objects.

    Args:
        objects: what is rendered.
        policies: files with ValidatingAdmissionPolicy objects.
        minor: the Kubernetes version that they are for, such as (1, 36).

    Returns:
        The problems of each object, in their order.

    Raises:
        MldeployError: a policy is not valid, or the tool is not installed.
    """
    request = {"policies": [str(path) for path in policies], "objects": list(objects), "podSecurity": LEVEL}
    done = process.run([tool("mldeploy-check")], timeout_s=_TIMEOUT_S, input_text=json.dumps(request))
    return [
        [*_lifecycle(each.get("lifecycle"), minor), *_pods(each), *_policies(each)]
        for each in json.loads(done.stdout)["judgements"]
    ]


def _policies(judgement: dict[str, Any]) -> list[Problem]:
    return [
        Problem(each["policy"], each["message"], each.get("remedy", "")) for each in judgement.get("policies") or []
    ]


def _pods(judgement: dict[str, Any]) -> list[Problem]:
    remedy = f"a namespace that enforces Pod Security {LEVEL!r} refuses the pod: change the template"
    return [Problem("pod-security", reason, remedy) for reason in judgement.get("podSecurity") or []]


def _lifecycle(lifecycle: dict[str, str] | None, minor: tuple[int, int]) -> list[Problem]:
    if lifecycle is None:
        return []
    remedy = f"use {lifecycle['replacement']}" if lifecycle.get("replacement") else "see the API's deprecation guide"
    removed = lifecycle.get("removed", "")
    if removed and _parsed(removed) <= minor:
        return [Problem("api-removed", f"this API version is not served since Kubernetes {removed}", remedy)]
    if _parsed(lifecycle["deprecated"]) <= minor:
        end = f", and goes away in {removed}" if removed else ""
        message = f"this API version is deprecated since Kubernetes {lifecycle['deprecated']}{end}"
        return [Problem("api-deprecated", message, remedy, warning=True)]
    return []


def _parsed(version: str) -> tuple[int, int]:
    major, minor = version.split(".")[:2]
    return int(major), int(minor)
