"""Problems of what is rendered are found, and named at the values line that causes them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mldeploy.check import check, openapi
from mldeploy.check.conform import conform
from mldeploy.check.schemas import api_schemas, crd_schemas
from mldeploy.cli.main import main
from mldeploy.errors import ExitCode, MldeployError
from mldeploy.render import Selector
from mldeploy.report.finding import Finding

if TYPE_CHECKING:
    from tests.deployments.scratch import Scratch

ROOT = Path(__file__).parents[2]
TEMPLATE = "charts/ml-api/templates/extra.yaml"
CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: models.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Model, plural: models}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              required: [size]
              properties:
                size: {type: integer, maximum: 9}
                port: {x-kubernetes-int-or-string: true}
                free: {type: object, x-kubernetes-preserve-unknown-fields: true}
"""
MODEL = "apiVersion: example.com/v1\nkind: Model\nmetadata: {name: a}\n"


def found(scratch: Scratch, environment: str = "prod", service: str = "ml-api") -> list[Finding]:
    report = check(scratch.root, wanted=[environment], selector=Selector.parse([f"service={service}"]))
    return list(report.findings)


def test_this_repository_is_clean() -> None:
    report = check(ROOT)
    assert [str(finding) for finding in report.findings] == []
    assert report.checked == (6, "releases")


@pytest.mark.parametrize(
    ("text", "line", "rules", "key"),
    [
        (
            "image:\n  tag: latest\n",
            4,
            {"image-pinned", "kube-score/container-image-tag", "checkov/CKV_K8S_14"},
            "image.tag",
        ),
        (
            "resources:\n  limits:\n    memory: null\n",
            5,
            {"resources-set", "kube-score/container-resources", "checkov/CKV_K8S_13"},
            "resources.limits.memory",
        ),
    ],
)
def test_a_problem_is_named_at_the_values_line(
    scratch: Scratch, text: str, line: int, rules: set[str], key: str
) -> None:
    scratch.write("values/prod/ml-api.yaml", f"config:\n  logLevel: debug\n{text}")
    findings = found(scratch)
    assert {each.rule for each in findings} == rules
    assert {(str(each.path), each.line) for each in findings} == {("values/prod/ml-api.yaml", line)}
    assert all(each.message.startswith(f"{key}: prod-ml-api: ") for each in findings)
    assert all(each.remedy for each in findings)


@pytest.mark.parametrize(
    ("text", "rule", "message"),
    [
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndate: {}\n", "schema", "'date' not allowed"),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: 1}\n",
            "schema",
            "/data/a: got number, want string",
        ),
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: http}]}\n",
            "schema",
            "/spec/ports/0/port",
        ),
        ("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {a: b}\n", "no-literal-secrets", "Secret a"),
        (
            "apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nmetadata: {name: a}\n",
            "api-removed",
            "since Kubernetes 1.25",
        ),
        (f"{MODEL}spec: {{}}\n", "unknown-kind", "no schema for example.com/v1 Model"),
        (f"{MODEL}spec: {{size: 10}}\n---\n{CRD}", "schema", "/spec/size"),
        (f"{MODEL}spec: {{sise: 1, size: 1}}\n---\n{CRD}", "schema", "'sise' not allowed"),
    ],
)
def test_a_problem_of_a_template_is_named_at_the_template(scratch: Scratch, text: str, rule: str, message: str) -> None:
    scratch.write(TEMPLATE, text)
    (finding,) = found(scratch)
    assert (str(finding.path), finding.rule, finding.severity) == (TEMPLATE, rule, "error")
    assert message in finding.message


def test_what_a_crd_allows_is_no_problem(scratch: Scratch) -> None:
    scratch.write(TEMPLATE, f"{MODEL}spec: {{size: 1, port: http, free: {{any: 1}}, gone: null}}\n")
    scratch.write("policies/crds/models.yaml", CRD)
    assert found(scratch) == []


def test_a_pod_that_a_restricted_namespace_refuses(scratch: Scratch) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a"},
        "spec": {"containers": [{"name": "c", "image": "a:1"}]},
    }
    scratch.write(TEMPLATE, json.dumps(pod))
    findings = found(scratch)
    assert "pod-security" in {each.rule for each in findings}
    assert {str(each.path) for each in findings} == {TEMPLATE}


def test_what_does_not_render_is_a_finding_and_hides_nothing(scratch: Scratch) -> None:
    scratch.write("deployments/staging/environment.yaml", "a: [unclosed\n")
    scratch.write("values/dev/ml-api.yaml", b"\xff\x00")
    scratch.append("values/prod/ml-batch.yaml", "image: {tag: latest}\n")
    rules = {(str(each.path), each.rule) for each in check(scratch.root).findings}
    assert rules == {
        ("deployments/base.yaml", "helmfile"),
        ("values/dev/ml-api.yaml", "render"),
        ("values/prod/ml-batch.yaml", "image-pinned"),
        ("values/prod/ml-batch.yaml", "kube-score/container-image-tag"),
        ("values/prod/ml-batch.yaml", "checkov/CKV_K8S_14"),
    }


def test_a_kubernetes_version_without_schemas_is_said(scratch: Scratch) -> None:
    text = scratch.path("deployments/base.yaml").read_text("utf-8")
    newest = ".".join(map(str, openapi.minors()[-1]))
    scratch.write("deployments/base.yaml", f"kubeVersion: v{newest}.1\n{text}")
    assert found(scratch) == []
    scratch.write("deployments/base.yaml", f"kubeVersion: v1.20.9\n{text}")
    with pytest.raises(MldeployError, match=re.escape("kubeVersion v1.20.9 has no schemas here, only")):
        found(scratch)


SCHEDULED = """
apiVersion: v1
kind: Pod
metadata: {name: a}
spec: {schedulingGroup: {podGroupName: a}, containers: [{name: c, image: "a:1"}]}
"""
ONLY_THERE = """{{ if eq .Capabilities.KubeVersion.Minor "35" }}
apiVersion: v1
kind: Nothing
metadata: {name: a}
{{ end }}"""
MUTATING = "apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingAdmissionPolicy\nmetadata: {name: a}\nspec: {}\n"


@pytest.mark.parametrize(
    ("named", "text", "message"),
    [
        ('["1.35", "1.36"]', SCHEDULED, "'schedulingGroup' not allowed on Kubernetes 1.35"),
        ('["1.34", "1.35"]', SCHEDULED, "'schedulingGroup' not allowed"),
        ('["1.36"]', SCHEDULED, ""),
        ('["1.36", "1.35"]', MUTATING, "MutatingAdmissionPolicy on Kubernetes 1.35"),
        ('["1.36"]', MUTATING, ""),
        ('["1.35", "1.36"]', ONLY_THERE, "no schema for v1 Nothing on Kubernetes 1.35"),
    ],
)
def test_what_one_of_an_environment_s_minors_lacks(scratch: Scratch, named: str, text: str, message: str) -> None:
    scratch.write("deployments/prod/environment.yaml", f"environment: prod\nkubernetes: {named}\ncontexts: [x]\n")
    scratch.write(TEMPLATE, text)
    messages = [each.message for each in found(scratch) if each.rule in ("schema", "unknown-kind")]
    assert len(messages) == (1 if message else 0), messages
    assert all(each.endswith(message) for each in messages), messages


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("[1.36]", "1.36 is no version"),
        ('"newest"', "'newest' is no version"),
        ('["1.20"]', "kubernetes: 1.20 has no schemas here, only 1.34, 1.35, 1.36"),
    ],
)
def test_a_minor_that_cannot_be_checked_for_is_said(scratch: Scratch, named: str, message: str) -> None:
    scratch.write("deployments/prod/environment.yaml", f"environment: prod\nkubernetes: {named}\ncontexts: [x]\n")
    with pytest.raises(MldeployError, match=re.escape(message)):
        found(scratch)


def test_an_exception_that_covers_nothing_is_reported_and_one_that_is_gone_is_missed(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = scratch.path("policies/exceptions.toml").read_text("utf-8")
    gone = '[[exception]]\nrule = "checkov/CKV_K8S_43"'
    assert gone in text
    useless = '\n[[exception]]\nrule = "image-pinned"\nobjects = ["Deployment/*"]\nreason = "none"\n'
    scratch.write("policies/exceptions.toml", text.replace(gone, '[[exception]]\nrule = "checkov/CKV_NONE"') + useless)
    findings = check(scratch.root).findings
    assert {each.rule for each in findings} == {"checkov/CKV_K8S_43", "unused-exception"}
    unused = {(each.line, each.message) for each in findings if each.rule == "unused-exception"}
    assert unused == {
        (
            text[: text.index(gone)].count("\n") + 1,
            "checkov/CKV_NONE: checkov/CKV_NONE: this exception covers no problem",
        ),
        (text.count("\n") + 2, "image-pinned: Deployment/*: this exception covers no problem"),
    }
    # The command says the same, and a part of everything cannot tell what covers nothing.
    monkeypatch.chdir(scratch.root)
    assert main(["check"]) == ExitCode.FINDINGS
    assert capsys.readouterr().out.count("unused-exception") == len(unused)
    assert "unused-exception" not in {each.rule for each in found(scratch)}


def test_the_exit_code_and_the_formats(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(scratch.root)
    assert main(["check", "--environment", "dev"]) == ExitCode.CLEAN
    scratch.write("values/dev/ml-batch.yaml", "image: {tag: latest}\n")
    for form in ("text", "json", "github", "sarif", "junit", "markdown"):
        capsys.readouterr()
        assert main(["check", "--environment", "dev", "--output", form]) == ExitCode.FINDINGS
        assert "image-pinned" in capsys.readouterr().out.replace("\\", "")
    assert main(["check", "--environment", "nowhere"]) == ExitCode.ERROR


def test_every_builtin_kind_has_a_strict_schema() -> None:
    minor = openapi.minors()[-1]
    files = {path.name: json.loads(path.read_text("utf-8")) for path in api_schemas(minor).glob("*.json")}
    assert {"service_v1_v1.json", "deployment_apps_v1.json", "horizontalpodautoscaler_autoscaling_v2.json"} <= set(
        files
    )
    # Whatever has an object's metadata can be applied.
    definitions = json.loads(openapi.document(minor).read_text("utf-8")).values()
    applied = {
        f"{kind['kind'].lower()}_{kind['group'] or kind['version']}_{kind['version']}.json"
        for definition in definitions
        if definition.get("properties", {}).get("metadata", {}).get("$ref", "").endswith(".ObjectMeta")
        for kind in definition.get("x-kubernetes-group-version-kind", [])
    }
    assert applied
    assert applied <= set(files)
    deployment = files["deployment_apps_v1.json"]
    assert deployment["additionalProperties"] is False
    template = deployment["properties"]["spec"]["properties"]["template"]["properties"]["spec"]
    assert template["properties"]["containers"]["items"]["additionalProperties"] is False


def test_many_objects_of_one_name_keep_their_own_problems() -> None:
    good = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "same"}}
    bad = {**good, "wrong": 1}
    schemas = [api_schemas(openapi.minors()[-1]), crd_schemas([])]
    counts = [len(problems) for problems in conform([good, bad, good, bad, bad], schemas)]
    assert counts == [0, 1, 0, 1, 1]


STORE = """
externalSecret:
  enabled: true
  storeRef: {name: vault, kind: SecretStore}
  data:
    api-key:
      key: ml-api
      property: api-key
"""


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("", "", ""),
        ("kind: ExternalSecret\n", "kind: ExternalSecret\ntypo: 1\n", "'typo' not allowed"),
        ("creationPolicy: Owner", "creationPolicy: Mine", "/spec/target/creationPolicy: value must be one of"),
        ("external-secrets.io/v1\n", "external-secrets.io/v1beta1\n", "no schema for external-secrets.io/v1beta1"),
    ],
)
def test_an_external_secret_is_checked_against_the_operator_s_own_schema(
    scratch: Scratch, before: str, after: str, message: str
) -> None:
    scratch.append("values/prod/ml-api.yaml", STORE)
    library = scratch.path("charts/ml-common/templates/_externalsecret.tpl")
    text = library.read_text("utf-8")
    assert before in text
    library.write_text(text.replace(before, after, 1), "utf-8")
    messages = [finding.message for finding in found(scratch)]
    assert len(messages) == (1 if message else 0), messages
    assert all(message in each for each in messages)


@pytest.mark.parametrize(
    ("template", "before", "after", "message"),
    [
        ("scaledobject", "", "", ""),
        ("scaledobject", "pollingInterval:", "pollInterval:", "'pollInterval' not allowed"),
        ("scaledobject", "replicas: {{ .replicas }}", "replicas: some", "/spec/fallback/replicas: got string"),
        (
            "triggerauthentication",
            "- parameter: password",
            "- parameter: 3",
            "/spec/secretTargetRef/0/parameter: got number",
        ),
    ],
)
def test_what_keda_is_told_is_checked_against_its_own_schema(
    scratch: Scratch, template: str, before: str, after: str, message: str
) -> None:
    every_source = scratch.path("charts/ml-batch/ci/keda-sources-values.yaml").read_text("utf-8")
    scratch.write("values/prod/ml-batch.yaml", every_source)
    path = scratch.path(f"charts/ml-batch/templates/{template}.yaml")
    text = path.read_text("utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), "utf-8")
    # kube-score knows of autoscalers that are HPAs, and no others.
    findings = [finding for finding in found(scratch, service="ml-batch") if "kube-score" not in finding.rule]
    messages = [finding.message for finding in findings]
    assert len(messages) == (1 if message else 0), messages
    assert all(message in each for each in messages)
