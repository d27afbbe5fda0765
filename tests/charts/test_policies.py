"""Every policy judges its own examples as their folder and first line say; a policy without examples is an error."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mldeploy.check.judge import judge
from mldeploy.process import ProcessError

POLICIES = Path(__file__).parents[2] / "policies"
FILES = sorted(POLICIES.glob("*.yaml"))
FIXTURES = POLICIES / "fixtures"
MARK = "# message: "
MINOR = (1, 36)


def test_there_are_policies_and_no_stray_examples() -> None:
    assert FILES
    assert {path.name for path in FIXTURES.iterdir()} == {path.stem for path in FILES}


@pytest.mark.parametrize("policy", FILES, ids=lambda path: path.stem)
def test_a_policy_judges_its_examples(policy: Path) -> None:
    good, bad = (sorted((FIXTURES / policy.stem / folder).glob("*.yaml")) for folder in ("pass", "fail"))
    assert good, "a policy needs an example that passes"
    assert bad, "a policy needs an example that fails"
    objects = [yaml.safe_load(path.read_text("utf-8")) for path in [*good, *bad]]
    judged = judge(objects, [policy], MINOR)
    for path, problems in zip([*good, *bad], judged, strict=True):
        own = [problem for problem in problems if problem.rule == policy.stem]
        expected = []
        if path in bad:
            first = path.read_text("utf-8").partition("\n")[0]
            assert first.startswith(MARK), f"{path}: the first line says what the policy says: {MARK}..."
            expected = [first.removeprefix(MARK)]
        assert [problem.message for problem in own] == expected, path.relative_to(FIXTURES)
        assert all(problem.remedy for problem in own)


@pytest.mark.parametrize("policy", FILES, ids=lambda path: path.stem)
def test_a_policy_is_one_that_a_cluster_takes(policy: Path) -> None:
    declared = yaml.safe_load(policy.read_text("utf-8"))
    assert declared["metadata"]["name"] == policy.stem
    assert declared["apiVersion"] == "admissionregistration.k8s.io/v1"
    assert declared["spec"]["failurePolicy"] == "Fail"
    assert policy.read_text("utf-8").startswith("# "), "the first line says why there is the policy"


def test_pods_meet_pod_security_or_the_reason_is_named() -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"name": "c"}]}}
    strict = {
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {"name": "c", "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}
        ],
    }
    template = {"template": {"metadata": {}, "spec": {"hostNetwork": True, **strict}}}
    daemon = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "a"}, "spec": template}
    loose, good, host = judge([pod, {**pod, "spec": strict}, daemon], [], MINOR)
    assert {problem.rule for problem in loose} == {"pod-security"}
    assert any("runAsNonRoot" in problem.message for problem in loose)
    assert good == []
    assert [problem.message for problem in host] == ["host namespaces: hostNetwork=true"]


@pytest.mark.parametrize(
    ("version", "kind", "minor", "expected"),
    [
        ("policy/v1beta1", "PodDisruptionBudget", (1, 36), ["api-removed"]),
        ("policy/v1beta1", "PodDisruptionBudget", (1, 24), ["api-deprecated"]),
        ("policy/v1beta1", "PodDisruptionBudget", (1, 20), []),
        ("policy/v1", "PodDisruptionBudget", (1, 36), []),
        ("extensions/v1beta1", "Ingress", (1, 36), ["api-removed"]),
        ("example.com/v1", "Thing", (1, 36), []),
    ],
)
def test_api_versions_end(version: str, kind: str, minor: tuple[int, int], expected: list[str]) -> None:
    (problems,) = judge([{"apiVersion": version, "kind": kind, "metadata": {"name": "a"}}], [], minor)
    assert [problem.rule for problem in problems] == expected
    assert all("policy/v1" in problem.remedy or "networking.k8s.io/v1" in problem.remedy for problem in problems)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: ConfigMap\n", "not a ValidatingAdmissionPolicy"),
        ("unknown: field\n", "unknown field"),
        (FILES[0].read_text("utf-8").replace("expression: ", "expression: nonsense( + "), "nonsense"),
    ],
)
def test_a_policy_that_is_not_valid_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(ProcessError, match=message) as caught:
        judge([], [path], MINOR)
    assert str(path) in str(caught.value)
