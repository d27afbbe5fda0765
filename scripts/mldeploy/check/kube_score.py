"""Releases as kube-score judges them: with what belongs together, such as a Deployment and its budget, in one view."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mldeploy import process
from mldeploy.check.problem import Problem
from mldeploy.check.whole import complete
from mldeploy.plan.objects import Manifested
from mldeploy.toolchain import tool

PREFIX = "kube-score/"
_TIMEOUT_S = 120.0
_FINE = 10
_CRITICAL = 1


def scored(
    groups: Sequence[Sequence[Manifested]], version: str, only: Collection[str] = ()
) -> list[list[list[Problem]]]:
    """Let kube-score judge releases.

    Args:
        groups: the objects of each release.
        version: the Kubernetes minor that they are for, such as "1.36".
        only: rules that are of interest; none: all.

    Returns:
        The problems of each object of each group, in their order.

    Raises:
        MldeployError: kube-score is not installed, or failed itself.
    """
    program = tool("kube-score")
    with ThreadPoolExecutor(max_workers=4) as pool:
        return list(pool.map(lambda group: _scored(program, group, version, only), groups))


def _scored(
    program: process.Argument, group: Sequence[Manifested], version: str, only: Collection[str]
) -> list[list[Problem]]:
    found: list[list[Problem]] = [[] for _ in group]
    if not group:
        return found
    # Exceptions are written in one place (exceptions.py), not in annotations.
    options = ["--output-format", "json", "--kubernetes-version", f"v{version}", "--disable-ignore-checks-annotations"]
    text = "\n---\n".join(json.dumps(complete(each)) for each in group)
    done = process.run([program, "score", *options, "-"], timeout_s=_TIMEOUT_S, ok=(0, 1), input_text=text)
    places = {_identity(complete(each)): index for index, each in enumerate(group)}
    for judged in json.loads(done.stdout) or []:
        index = places[_identity({**judged["type_meta"], "metadata": judged["object_meta"]})]
        found[index] += [problem for problem in _problems(judged) if not only or problem.rule in only]
    return found


def _identity(each: dict[str, Any]) -> tuple[str, ...]:
    metadata = each["metadata"]
    name = metadata.get("name") or metadata.get("generateName") or ""
    return (str(each.get("apiVersion")), str(each.get("kind")), str(metadata.get("namespace")), str(name))


def _problems(judged: dict[str, Any]) -> list[Problem]:
    return [
        Problem(
            f"{PREFIX}{check['check']['id']}",
            f"{comment['path']}: {comment['summary']}" if comment["path"] else comment["summary"],
            _sentence(comment["description"] or check["check"]["comment"]),
            warning=check["grade"] > _CRITICAL,
        )
        for check in judged["checks"]
        if check["grade"] < _FINE and not check["skipped"]
        for comment in check["comments"] or [{"path": "", "summary": check["check"]["name"], "description": ""}]
    ]


def _sentence(text: str) -> str:
    return " ".join(text.split()).removesuffix(".")
