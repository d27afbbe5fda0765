"""What ml-batch asks of KEDA: whom it asks how much waits, with which credentials, and within which bounds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mldeploy.process import ProcessError

CI = Path(__file__).parents[2] / "charts" / "ml-batch" / "ci"
Manifest = dict[str, Any]
Manifests = Callable[..., list[Manifest]]
One = Callable[..., Manifest]
ON = {"autoscaling.enabled": False, "keda.enabled": True}
TRIGGER: dict[str, Any] = {
    "type": "rabbitmq",
    "name": "events",
    "metadata": {"queueName": "events", "mode": "QueueLength", "value": "20"},
}


def triggers(scaled: Manifest) -> dict[str, dict[str, Any]]:
    return {trigger["name"]: trigger for trigger in scaled["spec"]["triggers"]}


def test_the_bundled_queue_is_asked_where_it_is(manifests: Manifests, one: One) -> None:
    found = manifests("ml-batch", CI / "keda-values.yaml")
    service = one(found, "Service", name="test-ml-batch-redis")["metadata"]
    config = one(found, "ConfigMap")["data"]
    asked = triggers(one(found, "ScaledObject"))
    assert asked.keys() == {"waiting", "unanswered"}
    for trigger in asked.values():
        # The operator is in another namespace: a name without its own would be another Service.
        assert trigger["metadata"]["address"] == f"{service['name']}.{service['namespace']}.svc:6379"
        assert trigger["metadata"]["databaseIndex"] == "0"
        assert trigger["metadata"]["stream"] == config["ML_STREAM"]
        assert "enableTLS" not in trigger["metadata"]
        assert "authenticationRef" not in trigger
    assert asked["waiting"]["metadata"]["consumerGroup"] == config["ML_GROUP"]
    assert "TriggerAuthentication" not in {m["kind"] for m in found}


def test_the_operator_may_reach_the_bundled_queue(manifests: Manifests, one: One) -> None:
    def peers(**values: Any) -> list[Manifest]:
        found = manifests("ml-batch", **values)
        (rule,) = one(found, "NetworkPolicy", name="test-ml-batch-redis")["spec"]["ingress"]
        peers: list[Manifest] = rule["from"]
        return peers

    operator = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "scalers"}},
        "podSelector": {"matchLabels": {"app": "keda-operator"}},
    }
    assert operator in peers(**ON, **{"keda.operatorNamespace": "scalers"})
    assert len(peers()) == 1


def test_every_source_with_its_credentials(manifests: Manifests, one: One) -> None:
    found = manifests("ml-batch", CI / "keda-sources-values.yaml")
    asked = triggers(one(found, "ScaledObject"))
    assert {name: trigger["type"] for name, trigger in asked.items()} == {
        "waiting": "redis-streams",
        "unanswered": "redis-streams",
        "submissions": "prometheus",
        "uploads": "aws-sqs-queue",
        "events": "rabbitmq",
    }
    for name in ("waiting", "unanswered"):
        where = asked[name]["metadata"]
        assert (where["address"], where["databaseIndex"], where["enableTLS"]) == ("queue.example.com:6380", "2", "true")
    named = {name: trigger["authenticationRef"]["name"] for name, trigger in asked.items() if name != "submissions"}
    assert "authenticationRef" not in asked["submissions"]
    given = {m["metadata"]["name"]: m["spec"] for m in found if m["kind"] == "TriggerAuthentication"}
    assert given.keys() == set(named.values())
    secret = one(found, "ExternalSecret")["spec"]["target"]["name"]
    password = {"parameter": "password", "name": secret, "key": "redis-password"}
    assert given[named["waiting"]] == given[named["unanswered"]] == {"secretTargetRef": [password]}
    assert given[named["uploads"]] == {"podIdentity": {"provider": "aws"}}


def test_a_queue_elsewhere_without_a_port_has_redis_s_own(manifests: Manifests, one: One) -> None:
    found = manifests("ml-batch", **ON, **{"queue.url": "redis://queue.example.com", "queue.bundled.enabled": False})
    assert triggers(one(found, "ScaledObject"))["waiting"]["metadata"]["address"] == "queue.example.com:6379"


def test_zero_is_a_number_too(manifests: Manifests, one: One) -> None:
    spec = one(manifests("ml-batch", **ON, **{"keda.cooldownSeconds": 0}), "ScaledObject")["spec"]
    assert (spec["minReplicaCount"], spec["cooldownPeriod"]) == (0, 0)


def test_without_a_fallback_there_is_none(manifests: Manifests, one: One) -> None:
    spec = one(manifests("ml-batch", **ON, **{"keda.fallback.enabled": False}), "ScaledObject")["spec"]
    assert "fallback" not in spec


def test_the_chart_s_hpa_lets_keda_take_over(manifests: Manifests, one: One) -> None:
    hpa = one(manifests("ml-batch"), "HorizontalPodAutoscaler")
    assert hpa["metadata"]["annotations"] == {"validations.keda.sh/hpa-ownership": "false"}


@pytest.mark.parametrize(
    ("trigger", "said"),
    [
        ({"type": "cron"}, "keda/triggers/0/type"),
        ({"metadata": {"queueName": "events", "mode": "QueueLength"}}, "value"),
        ({"metadata": {**TRIGGER["metadata"], "value": 20}}, "metadata/value"),
        ({"name": "Events"}, "name"),
        ({"authentication": {"podIdentity": {"provider": "none"}}}, "provider"),
        ({"secret": "x"}, "secret"),
    ],
)
def test_a_trigger_that_keda_could_not_use_is_refused(
    trigger: dict[str, Any], said: str, manifests: Manifests, template: Callable[..., str]
) -> None:
    assert manifests("ml-batch", **ON, **{"keda.triggers": [TRIGGER]})
    with pytest.raises(ProcessError) as caught:
        template("ml-batch", **ON, **{"keda.triggers": [TRIGGER | trigger]})
    assert said in caught.value.stderr
