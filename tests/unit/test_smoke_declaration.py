"""Declared checks: the repository's own, an environment's differences, and mistakes at their line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mldeploy.errors import MldeployError
from mldeploy.smoke import declared
from mldeploy.smoke.declaration import HttpCheck, JobCheck, LatencyCheck, SecretValue
from mldeploy.values import Release, Workspace

ROOT = Path(__file__).parents[2]
BASE = """\
web:
  forward: {service: "{release}-front", port: 80}
  checks:
    health:
      http:
        path: /healthz
        headers: {X-Api-Key: {secret: "{release}-keys", key: current}, Accept: text/plain}
    latency:
      deadlineSeconds: 5
      latency: {path: /, requests: 10, milliseconds: {p50: 10, p99: 100}}
    job:
      job: {stream: jobs, body: [1], result: {ok: true}}
"""


def release() -> Release:
    """A release of a service called web."""
    return replace(Workspace(ROOT).release("dev", "ml-api"), name="dev-web", service="web")


def checkout(folder: Path, *, base: str = BASE, dev: str = "") -> Path:
    (folder / "values").mkdir()
    (folder / "values" / "smoke.yaml").write_text(base, "utf-8")
    if dev:
        (folder / "values" / "smoke.dev.yaml").write_text(dev, "utf-8")
    return folder


def test_every_release_of_this_repository_has_checks() -> None:
    workspace = Workspace(ROOT)
    found = {
        (environment, one.service): {check.name for check in declared(ROOT, one).checks}
        for environment in workspace.environments
        for one in workspace.releases(environment)
    }
    assert found, "no releases"
    for (environment, service), names in found.items():
        wanted = {"health", "prediction", "bad-request", "latency"} if service == "ml-api" else {"job"}
        assert wanted <= names, (environment, service)


def test_a_declaration_becomes_typed_checks(tmp_path: Path) -> None:
    plan = declared(checkout(tmp_path), release())
    assert (plan.target, plan.port) == ("dev-web-front", 80)
    health, latency, job = plan.checks
    assert isinstance(health.ask, HttpCheck)
    assert health.ask.request.headers == {"X-Api-Key": SecretValue("dev-web-keys", "current"), "Accept": "text/plain"}
    assert (health.ask.request.method, health.ask.status, health.deadline_s) == ("GET", 200, 10)
    assert isinstance(latency.ask, LatencyCheck)
    assert (latency.ask.milliseconds, latency.deadline_s) == ({50: 10, 99: 100}, 5)
    assert isinstance(job.ask, JobCheck)
    assert (job.ask.stream, job.ask.body, job.ask.result) == ("jobs", [1], {"ok": True})


def test_an_environments_differences_are_merged_and_null_removes(tmp_path: Path) -> None:
    dev = "web: {checks: {job: null, latency: {latency: {milliseconds: {p99: 500}}}}}\n"
    plan = declared(checkout(tmp_path, dev=dev), release())
    assert [check.name for check in plan.checks] == ["health", "latency"]
    latency = plan.checks[1].ask
    assert isinstance(latency, LatencyCheck)
    assert latency.milliseconds == {50: 10, 99: 500}


@pytest.mark.parametrize(
    ("dev", "place"),
    [
        ("web:\n  checks:\n    health:\n      http: {paths: /x}\n", "smoke.dev.yaml:4:7"),
        ("web:\n  checks:\n    health: {job: {stream: x, body: 1}}\n", "smoke.dev.yaml:3:5"),
        ("web:\n  forward: {port: 0}\n", "smoke.dev.yaml:2:13"),
        ("web:\n  checks:\n    latency: {latency: {milliseconds: {median: 3}}}\n", "smoke.dev.yaml:3:25"),
    ],
)
def test_a_mistake_is_reported_at_its_line(tmp_path: Path, dev: str, place: str) -> None:
    with pytest.raises(MldeployError) as caught:
        declared(checkout(tmp_path, dev=dev), release())
    assert f"{place}: " in caught.value.message


def test_a_file_that_is_no_yaml_is_reported_at_its_line(tmp_path: Path) -> None:
    with pytest.raises(MldeployError, match=r"smoke\.yaml:1:\d+: "):
        declared(checkout(tmp_path, base="web: [\n"), release())


def test_a_service_without_checks_is_reported(tmp_path: Path) -> None:
    with pytest.raises(MldeployError, match="no checks are declared for web") as caught:
        declared(checkout(tmp_path, base=BASE.replace("web:", "other:")), release())
    assert "there are: other" in caught.value.remedy
