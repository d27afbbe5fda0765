"""Objects are compared by meaning, and a change is called what it is; no tool needed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldeploy.plan import rbac
from mldeploy.plan.classify import classify, classify_whole, is_noise
from mldeploy.plan.demand import demand
from mldeploy.plan.diff import diff
from mldeploy.plan.model import MISSING, FieldChange, Item, Kind
from mldeploy.plan.objects import Manifested, manifested, pairs
from mldeploy.plan.quantity import cores, parse, same_quantity, size
from mldeploy.plan.redact import HIDDEN, Redactor, is_credential
from mldeploy.plan.reports import words
from mldeploy.render import RenderedObject


def made(
    kind: str, data: dict[str, Any] | None = None, *, api_version: str = "v1", name: str = "a", **more: Any
) -> Manifested:
    content = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **(data or {}), **more}
    (only,) = manifested([RenderedObject("chart/templates/a.yaml", content)], "space")
    return only


def changes(before: Any, after: Any) -> list[tuple[str, Any, Any]]:
    return [(words.dotted(each.path), each.before, each.after) for each in diff(before, after)]


CONTAINERS = [{"name": "a", "image": "a:1"}, {"name": "b", "env": [{"name": "X", "value": "1"}]}]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": None}, {}, []),
        ({"a": 1}, {"a": True}, [("a", 1, True)]),
        ({"a": "1"}, {"a": 1}, [("a", "1", 1)]),
        ({"containers": CONTAINERS}, {"containers": CONTAINERS[::-1]}, []),
        (
            {"containers": CONTAINERS},
            {"containers": [CONTAINERS[0], {"name": "b", "env": [{"name": "X", "value": "2"}]}]},
            [("containers[b].env[X].value", "1", "2")],
        ),
        ({"containers": CONTAINERS}, {"containers": CONTAINERS[:1]}, [("containers[b]", CONTAINERS[1], MISSING)]),
        (
            {"initContainers": CONTAINERS},
            {"initContainers": CONTAINERS[::-1]},
            [("initContainers.(order)", ["a", "b"], ["b", "a"])],
        ),
        (
            {"ports": [{"port": 80, "protocol": "TCP"}, {"port": 80, "protocol": "UDP"}]},
            {"ports": [{"port": 80, "protocol": "UDP", "nodePort": 1}, {"port": 80, "protocol": "TCP"}]},
            [("ports[80/UDP].nodePort", MISSING, 1)],
        ),
        ({"args": ["a", "b"]}, {"args": ["b", "a"]}, [("args", ["a", "b"], ["b", "a"])]),
        ({"from": [{"x": 1}, {"y": 2}]}, {"from": [{"y": 2}, {"x": 3}]}, [("from[1].x", 1, 3)]),
        (
            {"env": [{"name": "A"}, {"name": "A"}]},
            {"env": [{"name": "A"}]},
            [("env.(order)", [{"name": "A"}] * 2, [{"name": "A"}])],
        ),
        ({"requests": {"cpu": "1000m"}}, {"requests": {"cpu": 1}}, []),
        ({"limits": {"memory": "1Gi"}}, {"limits": {"memory": "1024Mi"}}, []),
        ({"limits": {"memory": "1Gi"}}, {"limits": {"memory": "1G"}}, [("limits.memory", "1Gi", "1G")]),
        ({"metadata": {"labels": {}}}, {"metadata": {}}, []),
        (
            {"metadata": {}},
            {"metadata": {"annotations": {"a/b": "c"}}},
            [('metadata.annotations["a/b"]', MISSING, "c")],
        ),
        ({"spec": {"podSelector": {}}}, {"spec": {}}, [("spec.podSelector", {}, MISSING)]),
    ],
)
def test_a_difference_is_where_it_is(before: Any, after: Any, expected: list[Any]) -> None:
    found = changes(before, after)
    assert [(path.replace('["(order)"]', ".(order)"), one, other) for path, one, other in found] == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("abc", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "env", "ports", "a"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(JSON, JSON)
def test_no_difference_is_lost_or_made_up(before: Any, after: Any) -> None:
    assert list(diff(before, before)) == []
    forth, back = list(diff(before, after)), list(diff(after, before))
    assert len(forth) == len(back)
    assert bool(forth) == bool(back)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1", 1),
        ("100m", 0.1),
        ("1Ki", 1024),
        ("1.5G", 1.5e9),
        ("1e3", 1000),
        ("1E", 1e18),
        ("2Ei", 2 * 2.0**60),
        (".5", 0.5),
        (2, 2),
    ],
)
def test_quantities(text: Any, amount: float) -> None:
    found = parse(text)
    assert found is not None
    assert float(found) == pytest.approx(amount)


@pytest.mark.parametrize("text", ["", "m", "1mm", "a", None, True, [], "1 Gi"])
def test_what_is_no_quantity(text: Any) -> None:
    assert parse(text) is None
    assert not same_quantity(text, text)


def test_amounts_are_written_as_people_write_them() -> None:
    assert [cores(amount) for amount in (0.25, 1, 1.5)] == ["250m", "1", "1.5"]
    assert [size(amount) for amount in (512, 2**20, 1.5 * 2**30)] == ["512", "1Mi", "1.5Gi"]


@pytest.mark.parametrize(
    ("kind", "path", "expected"),
    [
        ("Deployment", ("spec", "selector", "matchLabels", "a"), {Kind.IMMUTABLE}),
        ("Deployment", ("spec", "template", "metadata", "annotations", "a"), {Kind.RESTART}),
        ("Deployment", ("spec", "replicas"), {Kind.REPLICAS}),
        ("Deployment", ("spec", "strategy", "type"), set()),
        ("StatefulSet", ("spec", "serviceName"), {Kind.IMMUTABLE}),
        ("StatefulSet", ("spec", "replicas"), {Kind.REPLICAS}),
        ("Job", ("spec", "template", "spec", "x"), {Kind.IMMUTABLE}),
        ("Job", ("spec", "suspend"), set()),
        ("CronJob", ("spec", "jobTemplate", "spec", "template", "spec", "x"), set()),
        ("PersistentVolumeClaim", ("spec", "storageClassName"), {Kind.IMMUTABLE}),
        ("Service", ("spec", "clusterIP"), {Kind.IMMUTABLE}),
        ("Service", ("spec", "selector", "a"), set()),
        ("RoleBinding", ("roleRef", "name"), {Kind.IMMUTABLE}),
        ("Secret", ("type",), {Kind.IMMUTABLE}),
        ("HorizontalPodAutoscaler", ("spec", "maxReplicas"), {Kind.HPA}),
        ("ScaledObject", ("spec", "maxReplicaCount"), {Kind.HPA}),
        ("TriggerAuthentication", ("spec", "secretTargetRef", Item("password"), "key"), {Kind.SECRET_REFERENCE}),
        ("PodDisruptionBudget", ("spec", "minAvailable"), {Kind.BUDGET}),
        ("ExternalSecret", ("spec", "data", Item("a"), "remoteRef", "key"), {Kind.SECRET_REFERENCE}),
        (
            "Deployment",
            ("spec", "template", "spec", "containers", Item("a"), "envFrom", Item("0"), "secretRef", "name"),
            {Kind.RESTART, Kind.SECRET_REFERENCE},
        ),
        (
            "CronJob",
            ("spec", "jobTemplate", "spec", "template", "spec", "containers", Item("a"), "image"),
            {Kind.IMAGE},
        ),
    ],
)
def test_a_field_means_what_it_means(kind: str, path: tuple[str, ...], expected: set[Kind]) -> None:
    assert set(classify(made(kind), FieldChange(path, "before", "after"))) == expected


def test_a_new_container_counts_with_its_image_and_resources() -> None:
    container = {"name": "b", "image": "b:1", "resources": {"limits": {"cpu": 1}}}
    path = ("spec", "template", "spec", "containers", Item("b"))
    found = classify(made("Deployment"), FieldChange(path, MISSING, container))
    assert set(found) == {Kind.RESTART, Kind.IMAGE, Kind.RESOURCES}


def test_a_hook_is_never_immutable() -> None:
    hook = made("Job", metadata={"name": "a", "annotations": {"helm.sh/hook": "pre-upgrade"}})
    change = FieldChange(("spec", "template", "spec", "x"), 1, 2)
    assert classify(hook, change) == ()
    assert classify_whole(hook, hook) == (Kind.HOOK,)


def test_bookkeeping_is_noise_except_on_pods() -> None:
    assert is_noise(FieldChange(("metadata", "labels", "helm.sh/chart"), "a-1", "a-2"))
    assert not is_noise(FieldChange(("spec", "template", "metadata", "labels", "helm.sh/chart"), "a-1", "a-2"))
    assert not is_noise(FieldChange(("metadata", "labels", "team"), "a", "b"))


def test_a_frozen_config_map_cannot_change() -> None:
    frozen, open_ = made("ConfigMap", immutable=True), made("ConfigMap")
    change = FieldChange(("data", "a"), "1", "2")
    assert classify(frozen, change) == (Kind.IMMUTABLE,)
    assert classify(open_, change) == ()
    assert classify(open_, FieldChange(("immutable",), True, MISSING)) == (Kind.IMMUTABLE,)


@pytest.mark.parametrize("keep", [False, True])
def test_what_holds_data_is_lost_unless_it_is_kept(keep: bool) -> None:
    annotations = {"helm.sh/resource-policy": "keep"} if keep else {}
    claim = made("PersistentVolumeClaim", metadata={"name": "a", "annotations": annotations})
    assert (Kind.DATA_LOSS in classify_whole(claim, None)) is not keep


def role(*rules: dict[str, list[str]]) -> Manifested:
    return made("Role", {"rules": list(rules)}, api_version="rbac.authorization.k8s.io/v1")


READ = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([READ], [READ], False),
        ([READ], [{**READ, "verbs": ["get"]}], False),
        ([READ], [{**READ, "verbs": ["get", "delete"]}], True),
        ([READ], [{**READ, "resources": ["pods", "secrets"]}], True),
        ([READ], [{**READ, "resourceNames": ["one"]}], False),
        ([{**READ, "resourceNames": ["one"]}], [READ], True),
        ([{**READ, "verbs": ["*"]}], [{**READ, "verbs": ["delete"]}], False),
        ([{**READ, "resources": ["*"]}], [READ], False),
        ([{**READ, "resources": ["pods/*"]}], [{**READ, "resources": ["pods/exec"]}], False),
        ([READ], [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}], True),
        ([{**READ, "verbs": ["get"]}, {**READ, "verbs": ["list"]}], [READ], False),
        ([], [READ], True),
    ],
)
def test_rbac_widens(before: list[Any], after: list[Any], expected: bool) -> None:
    assert rbac.widened(role(*before), role(*after)) is expected


def test_bindings_widen_with_their_subjects() -> None:
    def bound(*names: str, to: str = "reader") -> Manifested:
        subjects = [{"kind": "ServiceAccount", "name": name} for name in names]
        return made("RoleBinding", {"subjects": subjects, "roleRef": {"name": to}})

    assert rbac.widened(None, bound("a"))
    assert rbac.widened(bound("a"), bound("a", "b"))
    assert rbac.widened(bound("a"), bound("a", to="writer"))
    assert not rbac.widened(bound("a", "b"), bound("a"))
    assert not rbac.widened(bound("a"), None)


def test_objects_are_matched_by_group_kind_namespace_and_name() -> None:
    old = [
        made("Ingress", api_version="extensions/v1beta1"),
        made("Service"),
        made("Service", api_version="serving/v1"),
    ]
    new = [
        made("Ingress", api_version="networking.k8s.io/v1"),
        made("Service", api_version="serving/v1"),
        made("Service"),
    ]
    found = {(one.api_version, other.api_version) for one, other in pairs(old, new) if one and other}
    assert found == {("extensions/v1beta1", "networking.k8s.io/v1"), ("v1", "v1"), ("serving/v1", "serving/v1")}
    listed = RenderedObject("", {"apiVersion": "v1", "kind": "ConfigMapList", "items": [made("ConfigMap").data]})
    assert [each.kind for each in manifested([listed], "space")] == ["ConfigMap"]
    assert made("ClusterRole").namespace == ""
    assert made("ConfigMap", metadata={"name": "a", "namespace": "other"}).namespace == "other"


def test_the_scheduler_is_asked_for_what_pods_request() -> None:
    pod = {
        "initContainers": [
            {"name": "large", "resources": {"requests": {"cpu": "2"}}},
            {"name": "sidecar", "restartPolicy": "Always", "resources": {"requests": {"cpu": "100m"}}},
        ],
        "containers": [
            {"name": "a", "resources": {"requests": {"cpu": "500m"}, "limits": {"cpu": "1", "memory": "1Gi"}}}
        ],
    }
    deployment = made("Deployment", {"spec": {"replicas": 3, "template": {"spec": pod}}})
    scaler = made(
        "HorizontalPodAutoscaler",
        {"spec": {"minReplicas": 2, "maxReplicas": 5, "scaleTargetRef": {"kind": "Deployment", "name": "a"}}},
    )
    alone, scaled = demand([deployment]), demand([deployment, scaler])
    assert alone.minimum.amounts == alone.maximum.amounts == {"cpu": 6.0, "memory": 3 * 2**30}
    assert scaled.minimum.amounts["cpu"] == 4.0
    assert scaled.maximum.amounts["cpu"] == 10.0
    none_at_first = made("ScaledObject", {"spec": {"maxReplicaCount": 4, "scaleTargetRef": {"name": "a"}}})
    by_keda = demand([deployment, none_at_first])
    assert (by_keda.minimum.amounts, by_keda.maximum.amounts["cpu"]) == ({}, 8.0)


@pytest.mark.parametrize(
    "name", ["password", "DB_PASSWORD", "apiKey", "API_KEY", "clientSecret", "token", "AWS_SECRET_ACCESS_KEY", "dsn"]
)
def test_credentials_are_known_by_name(name: str) -> None:
    assert is_credential(name)


@pytest.mark.parametrize(
    "name", ["secretName", "API_KEYS_FILE", "tokenTTL", "maxTokens", "secretKeyRef", "user", "image"]
)
def test_what_only_points_at_a_credential_is_none(name: str) -> None:
    assert not is_credential(name)


def test_secrets_are_hidden_wherever_they_turn_up() -> None:
    secret = made("Secret", {"data": {"a": "aHVudGVyMjIy"}, "stringData": {"b": "plain-text"}})
    redactor = Redactor([secret], [{"db": {"password": "from-values"}}])
    for text in ("hunter222", "aHVudGVyMjIy", "plain-text", "from-values"):
        assert redactor.text(f"see {text}!") == f"see {HIDDEN}!"
    assert redactor.text("password: x1 user: y2") == f"password: {HIDDEN} user: y2"
    change = redactor.change(secret, FieldChange(("data",), {"a": "x"}, {"a": "y", "b": "z"}))
    assert (change.before, change.after) == ({"a": HIDDEN}, {"a": HIDDEN, "b": HIDDEN})
