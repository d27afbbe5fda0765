"""Smoke-tests an environment: each service's readiness, then its declared checks, each once."""

from __future__ import annotations

import time
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mldeploy.progress import Progress, Quiet
from mldeploy.smoke.declaration import Check, JobCheck, LatencyCheck, SecretValue, ServiceChecks, declared
from mldeploy.smoke.diagnosis import diagnose
from mldeploy.smoke.forward import Forward, NotReadyError
from mldeploy.smoke.http import check_http, check_latency
from mldeploy.smoke.job import check_job
from mldeploy.smoke.kube import ApiClient, ApiError, connect, core, disconnect, explained
from mldeploy.smoke.readiness import wait_until_ready
from mldeploy.smoke.redact import namespace_redactor
from mldeploy.smoke.result import CheckResult, FailedError
from mldeploy.values import Release, Workspace

READY_TIMEOUT_S = 120.0
_ROLLOUT = "rollout"
_FORWARD_TIMEOUT_S = 15.0


def smoke(
    root: Path,
    environment: str,
    *,
    kubeconfig: Path | None = None,
    context: str = "",
    releases: Sequence[Release] | None = None,
    ready_timeout_s: float = READY_TIMEOUT_S,
    progress: Progress | None = None,
) -> list[CheckResult]:
    """Smoke-test what is deployed.

    Args:
        root: the checkout, where the checks are declared.
        environment: dev, staging, prod, ...
        kubeconfig: the file that names the cluster; default: as kubectl finds it.
        context: the context in it; default: the current one.
        releases: those to test; default: all of the environment's.
        ready_timeout_s: how long each service may take to be ready, before its checks begin.
        progress: told about each service.

    Returns:
        A result for each service's rollout and for each of its checks, in the order of declaration.

    Raises:
        MldeployError: the environment or a declaration is wrong, or the cluster cannot be reached.
    """
    chosen = Workspace(root).releases(environment) if releases is None else releases
    plans = [declared(root, release) for release in chosen]
    api = connect(kubeconfig, context)
    try:
        results = []
        for plan in plans:
            with (progress or Quiet()).step(f"Smoke-testing {plan.release.service} in {environment}"):
                results += _service(api, plan, ready_timeout_s)
        return results
    finally:
        disconnect(api)


def _service(api: ApiClient, plan: ServiceChecks, ready_timeout_s: float) -> list[CheckResult]:
    release = plan.release
    deadline = time.monotonic() + ready_timeout_s
    results = [_rollout(api, release, deadline)]
    suspects: set[str] | None = set()
    if results[0].passed:
        try:
            with Forward(api, release.namespace, plan.target, plan.port, ready_timeout_s=_FORWARD_TIMEOUT_S) as forward:
                for check in plan.checks:
                    results.append(_check(api, release, check, forward))
                    if results[-1].outcome == "failed":
                        suspects = _suspects(suspects, check, forward)
        except NotReadyError as error:
            results[0] = replace(results[0], outcome="failed", message=error.message)
    asked = {result.name for result in results}
    results += [
        CheckResult(release.environment, release.service, check.name, "skipped", 0.0, "the service is not ready")
        for check in plan.checks
        if check.name not in asked
    ]
    return _with_diagnosis(api, release, results, suspects)


def _suspects(so_far: set[str] | None, check: Check, forward: Forward) -> set[str] | None:
    """Add the pod that gave a wrong answer; None: any pod may be at fault, since nobody knows who took a job."""
    if so_far is None or isinstance(check.ask, JobCheck):
        return None
    return so_far | {forward.pod}


def _check(api: ApiClient, release: Release, check: Check, forward: Forward) -> CheckResult:
    deadline = time.monotonic() + check.deadline_s
    ask = check.ask

    def run() -> Mapping[str, float]:
        if isinstance(ask, JobCheck):
            check_job(ask, forward, _value(api, release, ask.password) if ask.password else "", deadline)
            return {}
        headers = {name: _value(api, release, value) for name, value in ask.request.headers.items()}
        if isinstance(ask, LatencyCheck):
            return check_latency(ask, forward, headers, deadline)
        check_http(ask, forward, headers, deadline)
        return {}

    return _timed(release, check.name, run)


def _rollout(api: ApiClient, release: Release, deadline: float) -> CheckResult:
    def run() -> Mapping[str, float]:
        wait_until_ready(api, release, deadline)
        return {}

    return _timed(release, _ROLLOUT, run)


def _timed(release: Release, name: str, run: Callable[[], Mapping[str, float]]) -> CheckResult:
    began = time.monotonic()
    try:
        measures = run()
    except FailedError as error:
        seconds = time.monotonic() - began
        return CheckResult(release.environment, release.service, name, "failed", seconds, error.message)
    seconds = time.monotonic() - began
    return CheckResult(release.environment, release.service, name, "passed", seconds, measures=measures)


def _value(api: ApiClient, release: Release, value: str | SecretValue) -> str:
    """Fill a value in; one from a Secret is never part of a message."""
    if isinstance(value, str):
        return value
    where = f"Secret {release.namespace}/{value.secret}"
    try:
        with explained(f"read {where}"):
            data = core(api).read_namespaced_secret(value.secret, release.namespace).data or {}
    except ApiError as error:
        raise FailedError(error.message) from error
    if value.key not in data:
        raise FailedError(f"{where} has no key {value.key}; it has: {', '.join(sorted(data)) or 'none'}")
    # One key a line: a file of several is how keys are rotated, and the first is as good as the others.
    lines = b64decode(data[value.key]).decode("utf-8", "replace").split()
    if not lines:
        raise FailedError(f"{where}: the key {value.key} is empty")
    return lines[0]


def _with_diagnosis(
    api: ApiClient, release: Release, results: list[CheckResult], suspects: set[str] | None
) -> list[CheckResult]:
    failed = [number for number, result in enumerate(results) if result.outcome == "failed"]
    if not failed:
        return results
    redact = namespace_redactor(api, release.namespace)
    results = [replace(result, message=redact(result.message)) for result in results]
    results[failed[0]] = replace(results[failed[0]], details=diagnose(api, release, redact, suspects))
    return results
