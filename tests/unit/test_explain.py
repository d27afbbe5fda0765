"""`mldeploy explain`: who set a value, what it overrode, what it means; and the rules."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from inline_snapshot import snapshot

from mldeploy.cli.explain import main
from mldeploy.errors import MldeployError
from mldeploy.values.explain import parse_keys
from mldeploy.values.problem import dotted

CHECKOUT = Path(__file__).parents[1] / "fixtures" / "lint" / "checkout"


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = tmp_path / "checkout"
    shutil.copytree(CHECKOUT, copy)
    (copy / "values/prod/values.yaml").write_text("autoscaling:\n  minReplicas: 3\n")
    (copy / "values/prod/ml-api.yaml").write_text(
        "autoscaling:\n  minReplicas: 4\npodDisruptionBudget:\n  maxUnavailable: null\n"
    )
    monkeypatch.chdir(copy)
    return copy


def test_one_value(capsys: pytest.CaptureFixture[str]) -> None:
    main(["prod", "ml-api", "autoscaling.minReplicas"])
    assert capsys.readouterr().out == snapshot(
        """\
autoscaling.minReplicas: 4
  set by     values/prod/ml-api.yaml:2:16
  overrides  3  values/prod/values.yaml:2:16
  overrides  2  charts/ml-api/values.yaml:8:16
  type       integer, at least 0
"""
    )


def test_one_value_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    main(["prod", "ml-api", "autoscaling.minReplicas", "--output", "json"])
    found = json.loads(capsys.readouterr().out)
    assert found["value"] == 4
    assert found["setBy"] == {"path": "values/prod/ml-api.yaml", "line": 2, "column": 16, "value": 4}
    assert [entry["value"] for entry in found["overrides"]] == [3, 2]


def test_a_removed_key(capsys: pytest.CaptureFixture[str]) -> None:
    main(["prod", "ml-api", "podDisruptionBudget.maxUnavailable"])
    out = capsys.readouterr().out
    assert out.startswith(
        "podDisruptionBudget.maxUnavailable: (removed by a null)\n  set by     values/prod/ml-api.yaml:4:19"
    )


def test_a_tree_in_the_order_of_the_chart(capsys: pytest.CaptureFixture[str]) -> None:
    main(["prod", "ml-api"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith('image.repository: "registry.example/ml"')
    assert lines[0].endswith("# charts/ml-api/values.yaml:2:15")
    assert any(line.startswith("autoscaling.minReplicas: 4 ") and line.endswith("(over 3)") for line in lines)


def test_a_part_of_the_tree(capsys: pytest.CaptureFixture[str]) -> None:
    main(["prod", "ml-api", "autoscaling", "--output", "json"])
    assert [row["key"] for row in json.loads(capsys.readouterr().out)] == [
        "autoscaling.enabled",
        "autoscaling.minReplicas",
        "autoscaling.maxReplicas",
    ]


def test_difference(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--diff", "staging", "prod", "ml-api"])
    assert capsys.readouterr().out == snapshot(
        """\
ml-api autoscaling.minReplicas
  staging: 2  # charts/ml-api/values.yaml:8:16
  prod: 4  # values/prod/ml-api.yaml:2:16
ml-api podDisruptionBudget.maxUnavailable
  staging: 1  # charts/ml-api/values.yaml:13:19
  prod: (not there)
"""
    )
    main(["--diff", "dev", "staging"])
    assert capsys.readouterr().out == "dev and staging have the same values\n"
    main(["--diff", "staging", "prod", "--output", "json"])
    assert {row["service"] for row in json.loads(capsys.readouterr().out)} == {"ml-api", "ml-batch"}


def test_rules(capsys: pytest.CaptureFixture[str]) -> None:
    main(["unknown-key"])
    assert capsys.readouterr().out.startswith("unknown-key: A key that the chart does not have.\n")
    main(["--rules"])
    assert len(capsys.readouterr().out.splitlines()) > 20


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["prood", "ml-api"], "dev, staging, prod"),
        (["prod", "mlapi"], "ml-api, ml-batch"),
        (["prod", "ml-api", "autoscaling.minReplica"], r"did you mean 'autoscaling\.minReplicas'"),
        (["prod", "ml-api", "a..b"], "no key"),
        (["unknown-kye"], "did you mean 'unknown-key'"),
    ],
)
def test_what_is_not_there(words: list[str], message: str) -> None:
    with pytest.raises(MldeployError, match=message):
        main(words)


@pytest.mark.parametrize("words", [[], ["a", "b", "c", "d"], ["--diff", "a"]])
def test_wrong_usage(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2


@pytest.mark.parametrize("text", ["a", "a.b", "a[0].b", 'a."b.c"', '"x y"[1]'])
def test_keys_are_read_as_they_are_written(text: str) -> None:
    assert dotted(parse_keys(text)) == text
