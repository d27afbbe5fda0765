"""The generated schemas: what helm refuses because of them, and that they are up to date."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from mldeploy.cli import main as cli
from mldeploy.process import ProcessError
from mldeploy.values import schema

ENVIRONMENTS = ("dev", "staging", "prod")
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("ml-api", {"replicas": 3}, "additional properties 'replicas' not allowed"),
    ("ml-api", {"image.tagg": "1"}, "at '/image': additional properties 'tagg' not allowed"),
    ("ml-api", {"resources.limit": {}}, "at '/resources': additional properties 'limit' not allowed"),
    ("ml-api", {"probes.startup.periodSecond": 1}, "additional properties 'periodSecond' not allowed"),
    ("ml-api", {"image.tag": 1234}, "at '/image/tag': got number, want string"),
    ("ml-api", {"image.digest": "sha256:12"}, "does not match pattern"),
    ("ml-api", {"autoscaling.enabled": "yes"}, "at '/autoscaling/enabled': got string, want boolean"),
    ("ml-api", {"autoscaling.maxReplicas": 0}, "minimum: got 0, want 1"),
    ("ml-api", {"config.logLevel": "trace"}, "value must be one of"),
    ("ml-api", {"podLabels": {"app.kubernetes.io/name": "x"}}, "at '/podLabels/app.kubernetes.io~1name'"),
    ("ml-api", {"podAnnotations": {"example.com/on": True}}, "got boolean, want string"),
    ("ml-api", {"podDisruptionBudget.maxUnavailable": "half"}, "does not match pattern"),
    ("ml-api", {"tolerations": [{"kee": "x"}]}, "additional properties 'kee' not allowed"),
    ("ml-api", {"drain": None}, "missing property 'drain'"),
    ("ml-api", {"tracing.endpoint": "collector:4318"}, "at '/tracing/endpoint'"),
    ("ml-api", {"tracing.sampleRatio": 2}, "at '/tracing/sampleRatio': maximum: got 2, want 1"),
    ("ml-batch", {"cronJob.schedule": "hourly"}, "does not match pattern"),
    ("ml-batch", {"queue.url": "http://host/0"}, "does not match pattern"),
    ("ml-batch", {"queue.bundled.image.tag": ""}, "does not match pattern"),
]


@pytest.mark.parametrize(("chart", "values", "message"), WRONG, ids=[f"{c}-{next(iter(v))}" for c, v, _ in WRONG])
def test_helm_refuses(chart: str, values: dict[str, Any], message: str, template: Callable[..., str]) -> None:
    with pytest.raises(ProcessError) as caught:
        template(chart, **values)
    assert message in caught.value.stderr


def test_generated_files_are_up_to_date(root: Path) -> None:
    assert schema.stale(schema.generate(root)) == [], "run mldeploy schema"


def test_generating_is_deterministic(root: Path) -> None:
    assert schema.generate(root) == schema.generate(root)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("name", ["values", "ml-api", "ml-batch"])
def test_environment_files_fit_their_editor_schema(environment: str, name: str, root: Path) -> None:
    path = root / "values" / environment / f"{name}.yaml"
    first = path.read_text("utf-8").splitlines()[0]
    assert first == f"# yaml-language-server: $schema=../{name}.schema.json"
    document = json.loads((path.parent / first.split("=")[1]).read_text("utf-8"))
    jsonschema.Draft7Validator.check_schema(document)
    jsonschema.Draft7Validator(document).validate(yaml.safe_load(path.read_text("utf-8")))


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"queue": {"url": "redis://x"}}, "values"),  # a key of one service in the file of both
        ({"config": {"maxQueue": 1}}, "values"),
        ({"autoscaling": {"minReplica": 1}}, "ml-api"),
        ({"topologySpread": [{"maxSkew": 1}]}, "ml-api"),  # items of a list are whole
    ],
)
def test_editor_schema_refuses(wrong: dict[str, Any], where: str, root: Path) -> None:
    document = json.loads((root / "values" / f"{where}.schema.json").read_text("utf-8"))
    assert not jsonschema.Draft7Validator(document).is_valid(wrong)


@pytest.mark.parametrize(
    "right", [{"podDisruptionBudget": {"maxUnavailable": None}}, {"resources": {"limits": None}}, {}]
)
def test_editor_schema_lets_null_take_a_default_away(right: dict[str, Any], root: Path) -> None:
    document = json.loads((root / "values" / "ml-api.schema.json").read_text("utf-8"))
    jsonschema.Draft7Validator(document).validate(right)


def test_every_described_key_reaches_schema_and_readme(root: Path) -> None:
    document = json.loads((root / "charts" / "ml-api" / "values.schema.json").read_text("utf-8"))
    assert document["properties"]["drain"]["properties"]["delaySeconds"]["description"].startswith("How long a pod")
    assert "| `drain.delaySeconds` | How long a pod" in (root / "charts" / "ml-api" / "README.md").read_text("utf-8")


@pytest.fixture
def copy(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy what the generator reads into a scratch checkout, and go there."""
    for folder in ("charts", "values"):
        shutil.copytree(root / folder, tmp_path / folder, symlinks=True)
    (tmp_path / "deployments").mkdir()
    (tmp_path / "deployments" / "base.yaml").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def append(root: Path, text: str) -> None:
    with (root / "charts" / "ml-api" / "values.yaml").open("a", encoding="utf-8") as file:
        file.write(text)


def test_check_names_stale_files_and_writes_nothing(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    append(copy, "# -- A new key.\nnewKey: 1\n")
    before = (copy / "charts" / "ml-api" / "values.schema.json").read_bytes()
    assert cli.main(["schema", "--check"]) == 1
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        "charts/ml-api/values.schema.json",
        "charts/ml-api/README.md",
        "values/ml-api.schema.json",
    ]
    assert "run mldeploy schema" in captured.err
    assert (copy / "charts" / "ml-api" / "values.schema.json").read_bytes() == before
    assert cli.main(["schema"]) == 0
    assert cli.main(["schema", "--check"]) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("newKey: 1\n", "'newKey' has no description; add a line"),
        ("# -- A key.\nnewKey: null\n", "'newKey' is null, which tells no type; add"),
        ("# -- A key.\nnewKey: {}\n", "'newKey' has no shape; add"),
        ("# -- A key.\n# @schema {$ref: resource}\nnewKey: {}\n", "no such shape: resource; choose from"),
        ("# -- A key.\n# @schema [\nnewKey: 1\n", "@schema is no YAML; write"),
        ("# -- A key.\n# @schema 3\nnewKey: 1\n", "@schema is no mapping; write"),
        ("# -- A key.\n# @schema {type: nonsense}\nnewKey: 1\n", "@schema is no JSON Schema"),
        ("# -- A key.\n# @shema {minimum: 1}\nnewKey: 1\n", "unknown annotation '@shema'; use"),
        ("# -- A key.\n# @schema {minimum: 2}\nnewKey: 1\n", "the default does not fit its own schema"),
        ('# -- A key.\n# @schema {pattern: "^(?!x)"}\nnewKey: a\n', "helm (RE2) cannot use the pattern ^(?!x)"),
        ('# -- A key.\n# @schema {pattern: "(a)\\\\1"}\nnewKey: aa\n', "helm (RE2) cannot use the pattern (a)\\1"),
        ("a: [\n", "did not find expected node content"),
    ],
)
def test_generator_refuses(text: str, message: str, copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = len((copy / "charts" / "ml-api" / "values.yaml").read_text("utf-8").splitlines())
    append(copy, text)
    assert cli.main(["schema"]) == 2
    shown = capsys.readouterr().err.replace("\n  -> ", "; ")
    assert message in shown
    assert any(f"values.yaml:{lines + added}:" in shown for added in range(1, 4)), shown
