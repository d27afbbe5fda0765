"""Wrong edits of each kind in a copy of this repository's values: each is found at its line, with a remedy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mldeploy.values.lint import lint

ROOT = Path(__file__).parents[2]
# The edit, the rule that finds it, and the line where.
EDITS = (
    ("replicas: 3", "unknown-key", 1),
    ("autoscaling:\n  minReplica: 3", "unknown-key", 2),
    ('replicaCount: "3"', "schema", 1),
    ("replicaCount: 3.5", "schema", 1),
    ("config:\n  logLevel: loud", "schema", 2),
    ("config:\n  concurrency: 0", "schema", 2),
    ("image:\n  tag: 1.20", "schema", 2),
    ("image:\n  digest: abc", "schema", 2),
    ("edge:\n  kind: loadBalancr", "schema", 2),
    ("image:\n  tag: latest", "floating-tag", 2),
    ("podAnnotations:\n  a: no", "yaml-boolean", 2),
    ("podAnnotations:\n  a: 0755", "yaml-number", 2),
    ('podAnnotations:\n  a: "x"\n  a: "y"', "duplicate-key", 3),
    ("replicaCount: 4\n---\nreplicaCount: 3", "second-document", 2),
    ("config:\n  maxBodyBytes: 12345678901234567890123", "lost-digits", 2),
    ("resources:\n  requests:\n    memory: 4Gi", "requests-over-limits", 3),
    ("resources:\n  limits:", "empty-value", 2),
    ("autoscaling:\n  minReplicas: 50", "hpa-bounds", 2),
    ("podDisruptionBudget:\n  minAvailable: 3\n  maxUnavailable: null", "pdb-blocks-drain", 2),
    ("networkPolicy:\n  ingressFrom: []", "network-isolation", 2),
    ("probes:\n  startup:\n    failureThreshold: 1000", "probe-timing", 3),
    ("probes:\n  liveness:\n    timeoutSeconds: 30", "probe-timing", 3),
    ("podAnnotations:\n  a: AKIAIOSFODNN7EXAMPLE", "plain-secret", 2),
    ('podAnnotations:\n  a: "postgres://u:hunter22@db/x"', "plain-secret", 2),
    ("podAnnotations:\n  password: hunter22", "plain-secret", 2),
    ("autoscaling:\n  maxReplicas: 10", "repeats-default", 2),
    ("autoscaling:\n  maxReplicas: 3", "environment-order", 2),
    ("autoscaling:\n\tminReplicas: 3", "unreadable", 2),
    ("podAnnotations: {a: [x?y]}", "unreadable", 1),
    ("podAnnotations: {a: *x}", "unreadable", 1),
    ("image:\n  tag: ffffffffffff", "invariant", 2),
)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("seeded") / "checkout"
    root.mkdir()
    for name in ("charts", "deployments", "values"):
        shutil.copytree(ROOT / name, root / name)
    shutil.copy(ROOT / "helmfile.yaml", root)
    return root


def test_this_repository_is_clean(checkout: Path) -> None:
    assert lint(checkout).problems == []


@pytest.mark.parametrize(("text", "rule", "line"), EDITS, ids=[f"{rule}-{at}" for at, (_, rule, _) in enumerate(EDITS)])
def test_a_wrong_edit_is_found(text: str, rule: str, line: int, checkout: Path) -> None:
    path = checkout / "values" / "prod" / "ml-api.yaml"
    before = path.read_text()
    path.write_text(f"{text}\n")
    try:
        found = [
            problem for problem in lint(checkout).problems if problem.rule == rule and problem.position.path == path
        ]
    finally:
        path.write_text(before)
    assert [problem.position.line for problem in found] == [line]
    assert found[0].remedy
