"""Why a release failed, from events as the API server gives them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mldeploy import process
from mldeploy.rollout.failure import explain
from mldeploy.rollout.standing import is_settled, tell

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PULL = (
    'Failed to pull image "localhost/mldeploy/ml-service:nope": failed to pull and unpack image: failed to do request: '
    "dial tcp 127.0.0.1:443: connect: connection refused"
)


def event(name: str, reason: str, message: str, *, minutes: float = 1.0) -> dict[str, Any]:
    when = (NOW - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "metadata": {"creationTimestamp": when},
        "lastTimestamp": when,
        "involvedObject": {"kind": "Pod", "name": name},
        "reason": reason,
        "message": message,
    }


def test_an_image_that_cannot_be_pulled_is_named_once() -> None:
    events = [
        event("dev-ml-api-1", "Failed", PULL),
        event("dev-ml-api-2", "Failed", PULL),
        event("dev-ml-api-1", "Failed", "Error: ErrImagePull"),
        event("dev-ml-api-1", "Failed", "Error: ImagePullBackOff"),
        event("dev-ml-api-1", "BackOff", "Back-off pulling image"),
        event("dev-ml-api", "FailedGetResourceMetric", "no metrics yet"),
    ]
    (line,) = explain(events, "dev-ml-api", NOW)
    assert line.startswith('image "localhost/mldeploy/ml-service:nope" cannot be pulled (connection refused); correct ')


def test_the_newest_comes_first() -> None:
    events = [
        event("dev-ml-api-1", "FailedScheduling", "0/1 nodes are available", minutes=3),
        event("dev-ml-api-2", "FailedMount", 'secret "dev-ml-api" not found', minutes=1),
    ]
    assert explain(events, "dev-ml-api", NOW) == [
        'FailedMount: secret "dev-ml-api" not found',
        "FailedScheduling: 0/1 nodes are available",
    ]


def test_a_failing_probe_counts_where_nothing_else_is_said() -> None:
    quiet = [event("dev-ml-api-1", "Unhealthy", "Startup probe failed: HTTP 503")]
    assert explain(quiet, "dev-ml-api", NOW) == ["Unhealthy: Startup probe failed: HTTP 503"]
    loud = [*quiet, event("dev-ml-api-1", "FailedMount", "no such volume")]
    assert explain(loud, "dev-ml-api", NOW) == ["FailedMount: no such volume"]


def test_an_external_secret_is_named_and_not_what_follows_from_it() -> None:
    cause = 'error processing spec.data[0] (key: dev-ml-api), err: property absent does not exist in data of secret "x"'
    unsynced = event("dev-ml-api", "UpdateFailed", cause)
    unsynced["involvedObject"]["kind"] = "ExternalSecret"
    follows = event("dev-ml-api-1", "FailedMount", 'MountVolume.SetUp failed: secret "dev-ml-api" not found')
    other = event("dev-ml-api-1", "FailedMount", 'secret "another" not found')
    remedy = "put it into the store, or correct externalSecret in the values"
    named = f"ExternalSecret dev-ml-api cannot be synced: {cause}; {remedy}"
    assert explain([follows, unsynced], "dev-ml-api", NOW) == [named]
    assert set(explain([follows, unsynced, other], "dev-ml-api", NOW)) == {
        named,
        'FailedMount: secret "another" not found',
    }
    assert explain([follows], "dev-ml-api", NOW) == [
        'FailedMount: MountVolume.SetUp failed: secret "dev-ml-api" not found'
    ]


def test_other_releases_and_old_events_do_not_count() -> None:
    events = [
        event("dev-ml-apis-1", "FailedMount", "another release"),
        event("dev-ml-batch-1", "FailedMount", "another release"),
        event("dev-ml-api-1", "FailedMount", "long ago", minutes=11),
    ]
    assert explain(events, "dev-ml-api", NOW) == []


@pytest.mark.parametrize("outcome", ["", "deployed"])
def test_the_hook_says_nothing_about_a_release_that_did_not_fail(outcome: str, root: Path) -> None:
    done = process.run([root / "scripts" / "why", outcome, "dev", "dev-ml-api", ""], timeout_s=10)
    assert (done.stdout, done.stderr) == ("", "")


def deployment(*, replicas: int, updated: int, available: int, observed: int = 2) -> dict[str, Any]:
    return {
        "metadata": {"name": "dev-ml-api", "generation": 2},
        "spec": {"replicas": 2},
        "status": {
            "observedGeneration": observed,
            "replicas": replicas,
            "updatedReplicas": updated,
            "availableReplicas": available,
            # What Helm may still meet in its own rollback, and takes for the rollback's failure.
            "conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}],
        },
    }


def test_pods_and_not_conditions_tell_what_serves() -> None:
    assert tell([deployment(replicas=2, updated=2, available=2)]) == [
        "Deployment dev-ml-api serves: 2 of 2 pods, all of one template"
    ]


@pytest.mark.parametrize(
    "unsettled",
    [
        deployment(replicas=3, updated=2, available=2),
        deployment(replicas=2, updated=1, available=2),
        deployment(replicas=2, updated=2, available=1),
        deployment(replicas=2, updated=2, available=2, observed=1),
    ],
)
def test_a_rollout_that_goes_on_is_not_settled(unsettled: dict[str, Any]) -> None:
    assert not is_settled(unsettled)
    (line,) = tell([unsettled])
    assert "is not settled yet: " in line
