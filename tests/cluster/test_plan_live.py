"""Plans against a real API server: the changed set is helmfile diff's, and edits by hand are found."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mldeploy import process
from mldeploy.check import openapi
from mldeploy.cli.main import main
from mldeploy.cluster import ApiServer
from mldeploy.errors import ExitCode
from mldeploy.plan.live import Live
from mldeploy.plan.model import Action, Kind, Plan
from mldeploy.plan.planner import plan_live
from mldeploy.plan.reports import FORMATS, write
from mldeploy.plan.sides import WORKTREE
from mldeploy.render import list_releases
from mldeploy.toolchain import tool, tool_environment
from tests.cluster.support import Kubectl, kubectl_for, with_kinds, with_namespace
from tests.deployments.scratch import Scratch

ENVIRONMENTS = ("dev", "prod")
SERVICES = ("ml-api", "ml-batch")
ROUNDS, EDITS_A_ROUND = 10, 5

Edit = Callable[[dict[str, Any], random.Random], None]


def _set(*keys: str, value: Callable[[random.Random], Any]) -> Edit:
    def edit(values: dict[str, Any], chance: random.Random) -> None:
        for key in keys[:-1]:
            values = values.setdefault(key, {})
        values[keys[-1]] = value(chance)

    return edit


# What an engineer may write into a values file of either service; some of it renders the same as before. Another way to
# write the same amount is not among it: helm-diff compares texts, and calls 0.1 and 100m a change.
CATALOGUE: list[Edit] = [
    _set("image", "tag", value=lambda chance: f"v{chance.randrange(9)}"),
    _set("image", "pullPolicy", value=lambda chance: chance.choice(["Always", "IfNotPresent"])),
    _set("autoscaling", "maxReplicas", value=lambda chance: chance.randrange(5, 20)),
    _set("config", "logLevel", value=lambda chance: chance.choice(["debug", "info", "warning"])),
    _set("resources", "requests", "cpu", value=lambda chance: chance.choice(["110m", "200m"])),
    _set("resources", "limits", "memory", value=lambda chance: chance.choice(["640Mi", "1Gi"])),
    _set("drain", "delaySeconds", value=lambda chance: chance.randrange(1, 20)),
    _set("podAnnotations", "example.com/a", value=lambda chance: chance.choice(["one", "two words", "::three"])),
    _set("podLabels", "team", value=lambda chance: chance.choice(["a", "b"])),
    _set("nodeSelector", "disk", value=lambda chance: chance.choice(["ssd", "hdd"])),
    _set("tolerations", value=lambda chance: [{"key": "gpu", "operator": "Exists"}] if chance.random() < 0.5 else []),
    _set("topologySpread", value=lambda _: []),
    _set("networkPolicy", "enabled", value=lambda chance: chance.random() < 0.5),
    _set("serviceAccount", "annotations", "role", value=lambda chance: chance.choice(["reader", "writer"])),
    _set("probes", "liveness", "periodSeconds", value=lambda chance: chance.randrange(5, 12)),
    lambda _values, _chance: None,
]


@pytest.fixture(scope="module")
def kubectl(api: ApiServer) -> Kubectl:
    return kubectl_for(api.kubeconfig)


@pytest.fixture(scope="module")
def deployed(api: ApiServer, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Scratch:
    """The repository's releases of two environments, stored by helm; no node, so nothing waits for pods."""
    scratch = Scratch(tmp_path_factory.mktemp("live") / "checkout")
    with_kinds(kubectl, scratch.root / "policies" / "crds" / "external-secrets.yaml")
    for listing in list_releases(scratch.root, ENVIRONMENTS):
        assert not listing.error
        with_namespace(kubectl, listing.environment)
        for release in listing.releases:
            values = [word for path in release.values_files for word in ("--values", str(path))]
            argv = ["install", release.name, str(release.chart_path), "--namespace", release.namespace, *values]
            environment = {**tool_environment(scratch.root), "KUBECONFIG": str(api.kubeconfig)}
            process.run([tool("helm"), *argv], timeout_s=120, env=environment)
    return scratch


@pytest.fixture(autouse=True)
def context(api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig))


@pytest.fixture
def untouched(deployed: Scratch) -> Iterator[Scratch]:
    yield deployed
    deployed.git("checkout", "--quiet", "--force", deployed.base)
    deployed.git("clean", "--quiet", "--force", "-d")


def planned(scratch: Scratch, *, drift: bool = False) -> Plan:
    found = plan_live(scratch.root, Live(), head=WORKTREE, wanted=ENVIRONMENTS, drift=drift)
    assert not found.failed
    return found


def ours(found: Plan) -> set[tuple[str, str, str, str]]:
    words = {Action.ADDED: "ADD", Action.REMOVED: "REMOVE", Action.CHANGED: "MODIFY"}
    return {
        (change.namespace, change.kind, change.name, words[change.action])
        for release in found.affected
        for change in release.objects
    }


def theirs(scratch: Scratch) -> set[tuple[str, str, str, str]]:
    """Ask helmfile diff, hooks and tests included, since a plan tells of them too."""
    found = set()
    for environment in ENVIRONMENTS:
        words = ["--quiet", "--environment", environment, "diff", "--skip-deps", "--include-tests", "--output", "json"]
        argv: list[str | Path] = [tool("helmfile"), *words]
        text = process.run(argv, timeout_s=120, cwd=scratch.root, env=tool_environment(scratch.root)).stdout
        # One line of helmfile's, and then one list of helm-diff's, for each release.
        for part in re.split(r"^Comparing release=.*$", text, flags=re.MULTILINE):
            if part.strip():
                found |= {(each["namespace"], each["kind"], each["name"], each["change"]) for each in json.loads(part)}
    return found


def test_nothing_changed(untouched: Scratch) -> None:
    found = planned(untouched, drift=True)
    assert found.affected == []
    assert [environment.unchanged for environment in found.environments] == [2, 2]
    assert theirs(untouched) == set()


def test_the_changed_set_is_helmfile_diffs_over_fifty_edits(untouched: Scratch) -> None:
    changed = 0
    for number in range(ROUNDS):
        chance = random.Random(number)  # noqa: S311 - the same edits every time
        for _ in range(EDITS_A_ROUND):
            path = untouched.path(f"values/{chance.choice(ENVIRONMENTS)}/{chance.choice(SERVICES)}.yaml")
            values = yaml.safe_load(path.read_text("utf-8")) or {}
            chance.choice(CATALOGUE)(values, chance)
            path.write_text(yaml.safe_dump(values), "utf-8")
        found = planned(untouched)
        assert ours(found) == theirs(untouched), f"round {number}"
        changed += len(found.affected)
        untouched.git("checkout", "--quiet", "--force", untouched.base)
    assert changed > ROUNDS, "most rounds change something"


def test_a_change_names_its_values_line(untouched: Scratch) -> None:
    line = untouched.replace("values/prod/ml-api.yaml", "minReplicas: 3", "minReplicas: 4")
    (release,) = planned(untouched).affected
    assert (release.name, [reason.place for reason in release.reasons]) == (
        "prod-ml-api",
        [f"values/prod/ml-api.yaml:{line}"],
    )
    assert release.kinds == (Kind.HPA,)


def test_a_release_that_no_helmfile_names_is_listed(untouched: Scratch) -> None:
    text = untouched.path("deployments/base.yaml").read_text("utf-8")
    untouched.write("deployments/base.yaml", text[: text.index('  - name: "{{ .Values.environment }}-ml-batch"')])
    found = planned(untouched)
    assert {(release.name, release.action) for release in found.affected} == {
        ("dev-ml-batch", Action.REMOVED),
        ("prod-ml-batch", Action.REMOVED),
    }


def test_edits_by_hand_are_drift_and_the_autoscalers_are_not(untouched: Scratch, kubectl: Kubectl) -> None:
    kubectl("scale", "deployment/prod-ml-api", "--namespace=prod", "--replicas=7")  # the HPA's own field
    assert planned(untouched, drift=True).affected == []

    kubectl("scale", "deployment/dev-ml-batch-redis", "--namespace=dev", "--replicas=0")
    kubectl("set", "image", "deployment/prod-ml-api", "--namespace=prod", "api=example.com/other:1")
    kubectl("label", "service/prod-ml-api", "--namespace=prod", "hand=made")
    kubectl("label", "configmap/dev-ml-api", "--namespace=dev", "--overwrite", "app.kubernetes.io/name=other")
    kubectl("delete", "configmap/prod-ml-batch", "--namespace=prod")
    found = planned(untouched, drift=True)
    drifted = {
        (release.name, change.kind, change.action.value, tuple(".".join(field.path) for field in change.fields))
        for release in found.affected
        for change in release.objects
    }
    assert drifted == {
        ("dev-ml-batch", "Deployment", "~", ("spec.replicas",)),
        ("prod-ml-api", "Deployment", "~", ("spec.template.spec.containers.api.image",)),
        ("prod-ml-api", "Service", "~", ("metadata.labels.hand",)),
        ("dev-ml-api", "ConfigMap", "~", ("metadata.labels.app.kubernetes.io/name",)),
        ("prod-ml-batch", "ConfigMap", "+", ()),
    }
    assert {kind for release in found.affected for kind in release.kinds} == {Kind.DRIFT}
    assert planned(untouched).affected == [], "without --drift only what helm stored counts"
    for form in FORMATS:
        assert "edited in the cluster" in write(found, form) or form == "json"


def test_the_command_refuses_another_cluster(
    untouched: Scratch, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(untouched.root)
    assert main(["plan", "--live", "--environment", "dev"]) == ExitCode.CLEAN
    assert main(["plan", "--live", "--environment", "nowhere"]) == ExitCode.ERROR
    text = untouched.path("deployments/prod/environment.yaml").read_text("utf-8")
    untouched.write("deployments/prod/environment.yaml", text.replace("  - mldeploy-*\n", ""))
    assert main(["plan", "--live", "--environment", "prod"]) == ExitCode.REFUSED
    assert "prod may not be applied to" in capsys.readouterr().err


def test_a_cluster_that_does_not_answer_is_one_message(
    api: ApiServer,
    untouched: Scratch,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = yaml.safe_load(api.kubeconfig.read_text("utf-8"))
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    dead = tmp_path / "kubeconfig"
    dead.write_text(yaml.safe_dump(config), "utf-8")
    monkeypatch.setenv("KUBECONFIG", str(dead))
    monkeypatch.chdir(untouched.root)
    assert main(["plan", "--live", "--environment", "dev"]) == ExitCode.ERROR
    message, remedy = capsys.readouterr().err.splitlines()
    assert message.startswith("mldeploy: the cluster cannot be asked: ")
    assert "kube-context" in remedy


def test_the_schemas_are_the_api_servers_own(kubectl: Kubectl) -> None:
    """The committed description of the pinned minor is what the running API server serves."""
    served = json.loads(kubectl("get", "--raw", "/openapi/v2"))["definitions"]
    newest = openapi.minors()[-1]
    version = json.loads(kubectl("get", "--raw", "/version"))
    assert (int(version["major"]), int(version["minor"])) == newest
    committed = json.loads(openapi.document(newest).read_text("utf-8"))
    assert committed.pop(openapi.SOURCE)
    # Kinds that other tests defined on this server are not Kubernetes's own.
    again = json.loads(openapi.compact(served, {}))
    again = {name: schema for name, schema in again.items() if name.startswith("io.k8s.")}
    assert set(again) == set(committed)
    different = [name for name in again if again[name] != committed[name]]
    assert different == []
