"""Edits of every class on a scratch branch: plan names exactly the releases, what it means, and the line."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mldeploy.github import affected_selectors
from mldeploy.plan.model import Action, Kind
from mldeploy.plan.planner import plan
from mldeploy.plan.reports import write
from mldeploy.render import Selector
from tests.deployments.planning import API, ENVIRONMENTS, EVERYWHERE, TEMPLATE, kinds, names, places, planned

if TYPE_CHECKING:
    from tests.deployments.scratch import Scratch

ROLE = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules:
  - {apiGroups: [""], resources: [configmaps], verbs: [get, list]}
"""
CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: models}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"""
STATEFUL = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: store}
spec:
  serviceName: store
  selector: {matchLabels: {app: store}}
  template:
    metadata: {labels: {app: store}}
    spec: {containers: [{name: store, image: "store:1"}]}
"""
CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: models.example.com}
spec: {group: example.com, names: {kind: Model, plural: models}, scope: Namespaced}
"""


Edit = Callable[["Scratch"], int]


def value(name: str, old: str, new: str) -> Edit:
    return lambda scratch: scratch.replace(f"values/{name}.yaml", old, new)


def appended(name: str, text: str) -> Edit:
    def edit(scratch: Scratch) -> int:
        before = scratch.path(f"values/{name}.yaml").read_text("utf-8")
        scratch.append(f"values/{name}.yaml", text)
        return before.count("\n") + text.count("\n")

    return edit


# What is edited -> which releases differ, what it means, and the file whose (last edited) line is named.
ROUTE = "{kind: ingress, host: a.example.com, from: [{ipBlock: {cidr: 10.0.0.0/8}}], ingress: {tls: {secretName: a}}}"
EDITS: dict[str, tuple[Edit, set[str], set[Kind], str]] = {
    "image of an environment": (
        appended("staging/values", "image:\n  tag: new\n"),
        {"staging-ml-api", "staging-ml-batch"},
        {Kind.IMAGE, Kind.RESTART, Kind.HOOK},
        "values/staging/values.yaml",
    ),
    "autoscaler's bounds": (
        value("prod/ml-api", "minReplicas: 3", "minReplicas: 4"),
        {"prod-ml-api"},
        {Kind.HPA},
        "values/prod/ml-api.yaml",
    ),
    "budget": (
        value("prod/ml-api", "minAvailable: 2", "minAvailable: 1"),
        {"prod-ml-api"},
        {Kind.BUDGET},
        "values/prod/ml-api.yaml",
    ),
    "limits": (
        value("prod/ml-api", "memory: 768Mi", "memory: 1Gi"),
        {"prod-ml-api"},
        {Kind.RESOURCES, Kind.RESTART},
        "values/prod/ml-api.yaml",
    ),
    "a wider network policy": (
        appended("prod/ml-batch", "networkPolicy:\n  egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}]\n"),
        {"prod-ml-batch"},
        {Kind.NETWORK_OPENED},
        "values/prod/ml-batch.yaml",
    ),
    "no network policy": (
        appended("dev/ml-api", "networkPolicy:\n  enabled: false\n"),
        {"dev-ml-api"},
        {Kind.NETWORK_OPENED},
        "values/dev/ml-api.yaml",
    ),
    "a service for everybody": (
        appended("dev/ml-api", "edge: {kind: loadBalancer, loadBalancer: {sourceRanges: [0.0.0.0/0]}}\n"),
        {"dev-ml-api"},
        {Kind.NETWORK_OPENED},
        "values/dev/ml-api.yaml",
    ),
    "a route": (
        appended("dev/ml-api", f"edge: {ROUTE}\n"),
        {"dev-ml-api"},
        {Kind.NETWORK_OPENED, Kind.SECRET_REFERENCE},
        "values/dev/ml-api.yaml",
    ),
    "a pull secret": (
        appended("dev/ml-api", "imagePullSecrets: [{name: registry}]\n"),
        {"dev-ml-api"},
        {Kind.SECRET_REFERENCE, Kind.RESTART, Kind.HOOK},
        "values/dev/ml-api.yaml",
    ),
    "a key that is gone": (
        value("prod/ml-api", "  delaySeconds: 10\n", ""),
        {"prod-ml-api"},
        {Kind.KEY_DROPPED, Kind.RESTART},
        "values/prod/ml-api.yaml",
    ),
}


def edited_environment_value(scratch: Scratch) -> None:
    # "image of an environment" appends `image:`, which the file must not have twice.
    text = scratch.path("values/staging/values.yaml").read_text("utf-8")
    scratch.write("values/staging/values.yaml", re.sub(r"^image:\n(?:  .*\n)+", "", text, flags=re.MULTILINE))
    scratch.base = scratch.commit("no image for staging")


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_of_values(scratch: Scratch, edit: str) -> None:
    change, releases, meaning, file = EDITS[edit]
    if edit == "image of an environment":
        edited_environment_value(scratch)
    line = change(scratch)
    found = planned(scratch)
    assert names(found) == releases
    assert kinds(found) == meaning
    assert places(found) == {f"{file}:{line}"}
    assert not found.failed


def test_a_default_changes_only_where_nothing_overrides_it(scratch: Scratch) -> None:
    scratch.write("values/prod/ml-batch.yaml", "config:\n  batchJobs: 16\n")
    scratch.base = scratch.commit("prod sets batchJobs")
    text = scratch.path("charts/ml-batch/values.yaml").read_text("utf-8")
    (default,) = re.findall(r"^  batchJobs: \d+$", text, flags=re.MULTILINE)
    line = scratch.replace("charts/ml-batch/values.yaml", default, "  batchJobs: 5")
    found = planned(scratch)
    assert names(found) == {"dev-ml-batch", "staging-ml-batch"}
    assert places(found) == {f"charts/ml-batch/values.yaml:{line}"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("values/prod/ml-api.yaml", "\n# a comment\n"),
        ("charts/ml-api/README.md", "more words\n"),
        ("charts/ml-api/templates/service.yaml", "# a comment in the manifest\n"),
        ("docs/new.md", "words\n"),
    ],
)
def test_what_renders_the_same_affects_nothing(scratch: Scratch, name: str, text: str) -> None:
    scratch.write(name, (scratch.path(name).read_text("utf-8") if scratch.path(name).exists() else "") + text)
    found = planned(scratch)
    assert found.affected == []
    assert [environment.unchanged for environment in found.environments] == [2, 2, 2]


def test_a_selector_that_changes_cannot_be_applied(scratch: Scratch) -> None:
    name = "charts/ml-api/templates/deployment.yaml"
    text = scratch.path(name).read_text("utf-8")
    assert re.search(r"^    matchLabels:$", text, flags=re.MULTILINE)
    scratch.write(name, text.replace("    matchLabels:\n", "    matchLabels:\n      extra: label\n", 1))
    found = planned(scratch)
    assert names(found) == API
    assert Kind.IMMUTABLE in kinds(found)
    assert places(found) == {name}


def test_the_shared_chart_affects_both_charts(scratch: Scratch) -> None:
    (file,) = scratch.path("charts/ml-common/templates").glob("_serviceaccount.tpl")
    text = file.read_text("utf-8")
    file.write_text(text.replace("kind: ServiceAccount\n", "kind: ServiceAccount\nsecrets: [{name: x}]\n", 1), "utf-8")
    found = planned(scratch)
    assert names(found) == EVERYWHERE
    assert places(found) == {"charts/ml-common/templates/_serviceaccount.tpl"}


@pytest.mark.parametrize(
    ("before", "after", "action", "meaning"),
    [
        ("", ROLE, Action.ADDED, {Kind.RBAC_WIDENED}),
        (ROLE, ROLE.replace("get, list", "get, list, watch"), Action.CHANGED, {Kind.RBAC_WIDENED}),
        (ROLE, ROLE.replace("get, list", "get"), Action.CHANGED, set()),
        (ROLE, "", Action.REMOVED, set()),
        (CLAIM, "", Action.REMOVED, {Kind.DATA_LOSS}),
        (CLAIM, CLAIM.replace("ReadWriteOnce", "ReadWriteMany"), Action.CHANGED, {Kind.IMMUTABLE}),
        (CLAIM, CLAIM.replace("1Gi", "2Gi"), Action.CHANGED, {Kind.RESOURCES}),
        (CLAIM, CLAIM.replace("1Gi", "1024Mi"), None, set()),
        (STATEFUL, STATEFUL.replace("serviceName: store", "serviceName: other"), Action.CHANGED, {Kind.IMMUTABLE}),
        (STATEFUL, STATEFUL.replace("store:1", "store:2"), Action.CHANGED, {Kind.RESTART, Kind.IMAGE}),
        (CRD, CRD.replace("Namespaced", "Cluster"), Action.CHANGED, {Kind.CRD, Kind.IMMUTABLE}),
        (CRD, "", Action.REMOVED, {Kind.CRD, Kind.DATA_LOSS}),
    ],
)
def test_an_object_of_a_template(
    scratch: Scratch, before: str, after: str, action: Action | None, meaning: set[Kind]
) -> None:
    scratch.write(TEMPLATE, before)
    scratch.base = scratch.commit("before")
    scratch.write(TEMPLATE, after)
    found = planned(scratch, wanted=["dev"])
    if action is None:
        assert found.affected == []
        return
    (release,) = found.affected
    (change,) = release.objects
    assert (change.action, set(change.kinds), set(release.kinds)) == (action, meaning, meaning)


def test_crds_that_helm_never_upgrades_are_planned_too(scratch: Scratch) -> None:
    scratch.write("charts/ml-api/crds/models.yaml", CRD)
    found = planned(scratch)
    assert names(found) == API
    assert kinds(found) == {Kind.CRD}


def test_a_release_that_is_declared_no_more_is_listed_and_not_selected(scratch: Scratch, tmp_path: Path) -> None:
    text = scratch.path("deployments/base.yaml").read_text("utf-8")
    start = text.index('  - name: "{{ .Values.environment }}-ml-batch"')
    scratch.write("deployments/base.yaml", text[:start])
    found = planned(scratch)
    assert names(found) == {f"{environment}-ml-batch" for environment in ENVIRONMENTS}
    assert {release.action for release in found.affected} == {Action.REMOVED}
    (tmp_path / "plan.json").write_text(write(found, "json"))
    assert affected_selectors(tmp_path / "plan.json", "dev") == []
    scratch.commit("ml-batch is gone")
    back = plan(scratch.root, base="HEAD", head=scratch.base)
    assert {release.action for release in back.affected} == {Action.ADDED}
    assert Kind.HPA in kinds(back)


def test_the_sums_follow_replicas_and_requests(scratch: Scratch) -> None:
    scratch.append("values/prod/ml-batch.yaml", "image: {pullPolicy: Always}\n")
    scratch.replace("values/prod/ml-batch.yaml", "    cpu: 50m", "    cpu: 100m")
    environment = {each.name: each for each in planned(scratch).environments}["prod"]
    before, after = environment.before, environment.after
    assert after.minimum.amounts["cpu"] == pytest.approx(before.minimum.amounts["cpu"] + 0.05 * 2)
    assert after.maximum.amounts["cpu"] > after.minimum.amounts["cpu"]


def test_only_what_is_asked_for_is_planned(scratch: Scratch) -> None:
    scratch.append("charts/ml-common/templates/_labels.tpl", "\n")
    for environment in ENVIRONMENTS:
        scratch.append(f"values/{environment}/ml-api.yaml", "podAnnotations: {a: b}\n")
        scratch.append(f"values/{environment}/ml-batch.yaml", "podAnnotations: {a: b}\n")
    assert names(planned(scratch)) == EVERYWHERE
    assert names(planned(scratch, wanted=["staging"])) == {"staging-ml-api", "staging-ml-batch"}
    assert names(planned(scratch, selector=Selector.parse(["service=ml-api,environment!=prod"]))) == API - {
        "prod-ml-api"
    }
