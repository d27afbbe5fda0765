"""What Argo CD and Flux say, read from their objects as their controllers write them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mldeploy.gitops.status import Status, argocd, flux
from mldeploy.gitops.status.table import as_json, as_text

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LABELS = {"environment": "dev", "service": "ml-api"}


def application(**status: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "argocd", "name": "dev-ml-api", "labels": LABELS}, "status": status}


def kustomization(*conditions: dict[str, str], **spec: Any) -> dict[str, Any]:
    status = {
        "conditions": list(conditions),
        "lastAppliedRevision": f"main@sha1:{COMMIT}",
        "lastAttemptedRevision": f"main@sha1:{COMMIT}",
    }
    metadata = {"namespace": "flux-system", "name": "dev-ml-api", "labels": LABELS}
    return {"metadata": metadata, "spec": spec, "status": status}


def ready(status: str, reason: str = "", message: str = "") -> dict[str, str]:
    return {"type": "Ready", "status": status, "reason": reason, "message": message}


def test_an_application_that_runs_well() -> None:
    found = argocd.status(
        application(
            sync={"status": "Synced", "revision": COMMIT},
            health={"status": "Healthy"},
            operationState={"phase": "Succeeded", "message": "successfully synced (all tasks run)"},
        )
    )
    assert found == Status(
        "Argo CD", "Application", "argocd", "dev-ml-api", "dev", "ml-api", COMMIT, "Synced", "Healthy", ""
    )
    assert found.good


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (
            {
                "conditions": [
                    {"type": "ComparisonError", "message": "Failed to load\n target state: values don't meet"}
                ]
            },
            "Failed to load target state: values don't meet",
        ),
        (
            {"operationState": {"phase": "Failed", "message": "one or more objects failed to apply"}},
            "one or more objects",
        ),
        ({"operationState": {"phase": "Running"}}, "sync running"),
        (
            {
                "health": {"status": "Degraded"},
                "resources": [
                    {"kind": "Service", "name": "a", "health": {"status": "Healthy"}},
                    {"kind": "ConfigMap", "name": "b"},
                    {
                        "kind": "Deployment",
                        "name": "c",
                        "health": {"status": "Degraded", "message": "exceeded its deadline"},
                    },
                ],
            },
            "Deployment c: exceeded its deadline",
        ),
        ({}, ""),
    ],
)
def test_an_application_says_what_is_wrong(status: dict[str, Any], message: str) -> None:
    found = argocd.status(application(**status))
    assert not found.good
    assert found.message.startswith(message)


def test_an_application_that_nobody_has_looked_at_yet() -> None:
    found = argocd.status({"metadata": {"namespace": "argocd", "name": "x"}})
    assert (found.sync, found.health, found.revision, found.environment) == ("Unknown", "Unknown", "", "")


def test_a_kustomization_that_runs_well() -> None:
    found = flux.status(
        kustomization(ready("True", "ReconciliationSucceeded", f"Applied revision: main@sha1:{COMMIT}"))
    )
    assert found.good
    assert (found.revision, found.agent, found.service) == (COMMIT, "Flux", "ml-api")


@pytest.mark.parametrize(
    ("condition", "health"),
    [
        (ready("False", "HealthCheckFailed", "timeout waiting for: Deployment/dev/dev-ml-api"), "Degraded"),
        (ready("False", "DependencyNotReady", "dependency 'flux-system/x' is not ready"), "Progressing"),
        (ready("False", "HealthCheckCanceled", "New reconciliation triggered"), "Progressing"),
        (ready("Unknown", "Progressing", "Reconciliation in progress"), "Progressing"),
    ],
)
def test_a_kustomization_that_does_not(condition: dict[str, str], health: str) -> None:
    found = flux.status(kustomization(condition))
    assert (found.health, found.message) == (health, condition["message"])
    assert not found.good


def test_a_suspended_kustomization_is_not_good() -> None:
    assert flux.status(kustomization(ready("True"), suspend=True)).health == "Suspended"


def test_a_newer_commit_that_was_not_applied_is_out_of_sync() -> None:
    newer = kustomization(ready("False", "BuildFailed", "kustomize build failed"))
    newer["status"]["lastAttemptedRevision"] = "main@sha1:" + "f" * 40
    found = flux.status(newer)
    assert (found.sync, found.revision) == ("OutOfSync", COMMIT)


def test_the_table_and_the_json() -> None:
    one = argocd.status(application(sync={"status": "Synced", "revision": COMMIT}, health={"status": "Healthy"}))
    other = flux.status(kustomization(ready("False", "HealthCheckFailed", "timeout")))
    assert as_text([one, other]) == (
        "NAME                      ENVIRONMENT  SERVICE  REVISION    SYNC    HEALTH    MESSAGE\n"
        "application/dev-ml-api    dev          ml-api   0123456789  Synced  Healthy\n"
        "kustomization/dev-ml-api  dev          ml-api   0123456789  Synced  Degraded  timeout"
    )
    first, second = json.loads(as_json([one, other]))
    assert (first["good"], second["good"], second["message"]) == (True, False, "timeout")
