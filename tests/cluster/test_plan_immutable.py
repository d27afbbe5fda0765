"""What a plan calls immutable is what a real API server refuses, and nothing else."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from mldeploy.cluster import ApiServer
from mldeploy.plan.classify import classify
from mldeploy.plan.diff import diff
from mldeploy.plan.model import Kind
from mldeploy.plan.objects import manifested
from mldeploy.render import RenderedObject
from tests.cluster.support import Kubectl, kubectl_for

POD = {
    "metadata": {"labels": {"app": "a"}},
    "spec": {"restartPolicy": "Always", "containers": [{"name": "c", "image": "c:1"}]},
}
ONCE = {"metadata": {}, "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "c:1"}]}}
SELECTOR = {"matchLabels": {"app": "a"}}
WORKLOAD = {"selector": SELECTOR, "template": POD}
CLAIM = {
    "metadata": {"name": "v"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}
RBAC = "rbac.authorization.k8s.io/v1"
STATEFUL = {"spec": {**WORKLOAD, "serviceName": "a"}}
CRON = {"spec": {"schedule": "0 * * * *", "jobTemplate": {"spec": {"template": ONCE}}}}
BOUND = {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "a"}}
CLASS = {"spec": {"controller": "example.com/a"}}
BUDGET = {"spec": {"selector": SELECTOR}}
CRD = {
    "group": "example.com",
    "scope": "Namespaced",
    "names": {"kind": "Thing", "plural": "things"},
    "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}],
}

# API version, kind, content; then what is set where.
CASES: list[tuple[str, str, dict[str, Any], tuple[str, ...], Any]] = [
    ("apps/v1", "Deployment", {"spec": WORKLOAD}, ("spec", "selector", "matchLabels", "tier"), "x"),
    ("apps/v1", "Deployment", {"spec": WORKLOAD}, ("spec", "template", "spec", "hostname"), "x"),
    ("apps/v1", "DaemonSet", {"spec": WORKLOAD}, ("spec", "selector", "matchLabels", "tier"), "x"),
    ("apps/v1", "DaemonSet", {"spec": WORKLOAD}, ("spec", "minReadySeconds"), 5),
    ("apps/v1", "StatefulSet", STATEFUL, ("spec", "serviceName"), "b"),
    ("apps/v1", "StatefulSet", STATEFUL, ("spec", "podManagementPolicy"), "Parallel"),
    ("apps/v1", "StatefulSet", STATEFUL, ("spec", "volumeClaimTemplates"), [CLAIM]),
    ("apps/v1", "StatefulSet", STATEFUL, ("spec", "replicas"), 3),
    ("apps/v1", "StatefulSet", STATEFUL, ("spec", "minReadySeconds"), 3),
    ("apps/v1", "StatefulSet", STATEFUL, ("spec", "template", "spec", "hostname"), "x"),
    ("batch/v1", "Job", {"spec": {"template": ONCE}}, ("spec", "template", "spec", "hostname"), "x"),
    ("batch/v1", "Job", {"spec": {"template": ONCE}}, ("spec", "completions"), 3),
    ("batch/v1", "Job", {"spec": {"template": ONCE}}, ("spec", "parallelism"), 3),
    ("batch/v1", "Job", {"spec": {"template": ONCE}}, ("spec", "backoffLimit"), 3),
    ("batch/v1", "Job", {"spec": {"template": ONCE}}, ("spec", "ttlSecondsAfterFinished"), 3),
    ("batch/v1", "CronJob", CRON, ("spec", "schedule"), "1 * * * *"),
    ("v1", "PersistentVolumeClaim", {"spec": CLAIM["spec"]}, ("spec", "accessModes"), ["ReadWriteMany"]),
    ("v1", "PersistentVolumeClaim", {"spec": CLAIM["spec"]}, ("metadata", "labels", "a"), "b"),
    ("v1", "Service", {"spec": {"ports": [{"port": 80}]}}, ("spec", "clusterIP"), "None"),
    ("v1", "Service", {"spec": {"ports": [{"port": 80}]}}, ("spec", "type"), "NodePort"),
    ("v1", "Service", {"spec": {"ports": [{"port": 80}]}}, ("spec", "selector", "a"), "b"),
    ("v1", "ConfigMap", {"data": {"a": "1"}, "immutable": True}, ("data", "a"), "2"),
    ("v1", "ConfigMap", {"data": {"a": "1"}, "immutable": True}, ("metadata", "labels", "a"), "b"),
    ("v1", "ConfigMap", {"data": {"a": "1"}, "immutable": True}, ("immutable",), False),
    ("v1", "ConfigMap", {"data": {"a": "1"}}, ("immutable",), True),
    ("v1", "Secret", {"stringData": {"a": "1"}}, ("type",), "example.com/other"),
    ("v1", "Secret", {"stringData": {"a": "1"}}, ("stringData", "a"), "2"),
    (RBAC, "RoleBinding", BOUND, ("roleRef", "name"), "b"),
    (RBAC, "Role", {"rules": []}, ("rules",), [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]),
    ("storage.k8s.io/v1", "StorageClass", {"provisioner": "example.com/a"}, ("provisioner",), "example.com/b"),
    ("storage.k8s.io/v1", "StorageClass", {"provisioner": "example.com/a"}, ("parameters", "a"), "b"),
    ("storage.k8s.io/v1", "StorageClass", {"provisioner": "example.com/a"}, ("reclaimPolicy",), "Retain"),
    ("storage.k8s.io/v1", "StorageClass", {"provisioner": "example.com/a"}, ("allowVolumeExpansion",), True),
    ("scheduling.k8s.io/v1", "PriorityClass", {"value": 1}, ("value",), 2),
    ("scheduling.k8s.io/v1", "PriorityClass", {"value": 1}, ("preemptionPolicy",), "Never"),
    ("scheduling.k8s.io/v1", "PriorityClass", {"value": 1}, ("description",), "words"),
    ("networking.k8s.io/v1", "IngressClass", CLASS, ("spec", "controller"), "example.com/b"),
    ("policy/v1", "PodDisruptionBudget", BUDGET, ("spec", "maxUnavailable"), 1),
    ("policy/v1", "PodDisruptionBudget", BUDGET, ("spec", "selector", "matchLabels", "b"), "c"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition", {"spec": CRD}, ("spec", "scope"), "Cluster"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition", {"spec": CRD}, ("spec", "names", "shortNames"), ["th"]),
]  # fmt: skip


@pytest.fixture(scope="module")
def kubectl(api: ApiServer) -> Kubectl:
    run = kubectl_for(api.kubeconfig)
    run("create", "namespace", "immutable")
    return run


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{case[1]} {'.'.join(case[3])}" for case in CASES])
def test_the_api_server_agrees(kubectl: Kubectl, number: int) -> None:
    version, kind, content, path, value = CASES[number]
    name = "things.example.com" if kind == "CustomResourceDefinition" else f"case-{number}"
    before = {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name, "namespace": "immutable"},
        **copy.deepcopy(content),
    }
    after: dict[str, Any] = copy.deepcopy(before)
    parent = after
    for step in path[:-1]:
        parent = parent.setdefault(step, {})
    parent[path[-1]] = value
    kubectl("apply", "--server-side", "-f", "-", input_text=json.dumps(before))
    said = kubectl(
        "apply",
        "--server-side",
        "--force-conflicts",
        "--dry-run=server",
        "-f",
        "-",
        input_text=json.dumps(after),
        ok=(0, 1),
    )
    refused = "serverside-applied" not in said
    (each,) = manifested([RenderedObject("", after)], "immutable")
    kinds = {found for change in diff(before, after) for found in classify(each, change)}
    assert (Kind.IMMUTABLE in kinds) is refused, said
