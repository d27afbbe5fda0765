"""The workflows keep their rules: pinned actions, least rights, timeouts, no expression inside a script."""

from __future__ import annotations

import re
import shutil
import sysconfig
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from mldeploy.process import run

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))
FILES = [*WORKFLOWS, *sorted((ROOT / ".github" / "actions").glob("*/action.yml"))]
USES = re.compile(r"^\s*(?:- )?uses: (\S+)(?: # (\S+))?", re.MULTILINE)


def load(path: Path) -> dict[Any, Any]:
    content = yaml.safe_load(path.read_text("utf-8"))
    assert isinstance(content, dict)
    return content


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = load(path)["jobs"]
    assert found
    return found


def steps(path: Path) -> list[dict[str, Any]]:
    content = load(path)
    groups = [content["runs"]] if "runs" in content else list(content["jobs"].values())
    return [step for group in groups for step in group.get("steps", [])]


def test_there_are_workflows_and_actions() -> None:
    assert len(WORKFLOWS) >= 7
    assert len(FILES) >= len(WORKFLOWS) + 2


@pytest.mark.parametrize(
    "path", FILES, ids=lambda path: path.name if path.parent.name == "workflows" else path.parent.name
)
def test_actions_are_pinned_by_commit(path: Path) -> None:
    found = USES.findall(path.read_text("utf-8"))
    used = [step["uses"] for step in steps(path) if "uses" in step]
    used += [job["uses"] for job in load(path).get("jobs", {}).values() if "uses" in job]
    assert sorted(used) == sorted(name for name, _ in found)
    for name, version in found:
        if name.startswith("./"):
            where = ROOT / name
            assert where.is_file() or (where / "action.yml").is_file(), name
        else:
            assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", name), name
            assert re.fullmatch(r"v\d+\.\d+\.\d+", version), f"{name}: the comment is to be the release's tag"


def test_an_action_has_one_commit_everywhere() -> None:
    pins: dict[str, set[str]] = defaultdict(set)
    for path in FILES:
        for name, version in USES.findall(path.read_text("utf-8")):
            if "@" in name:
                action, _, commit = name.partition("@")
                pins["/".join(action.split("/")[:2])].add(f"{commit} {version}")
    assert pins
    assert {action: found for action, found in pins.items() if len(found) != 1} == {}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_least_rights_and_limits(path: Path) -> None:
    content = load(path)
    events = content[True]  # YAML 1.1 reads the key `on` as a truth value
    assert content["permissions"] == {}
    assert content["defaults"] == {"run": {"shell": "bash"}}
    assert "pull_request_target" not in events
    if set(events) != {"workflow_call"}:
        assert "group" in content["concurrency"]
    for name, job in jobs(path).items():
        assert "permissions" in job, name
        assert "write-all" not in str(job["permissions"]), name
        if "uses" not in job:
            assert 0 < job["timeout-minutes"] <= 90, name
            assert job["runs-on"] == "${{ vars.RUNNER || 'ubuntu-24.04' }}", name


def test_a_pull_request_may_write_nothing_but_findings() -> None:
    for path in WORKFLOWS:
        if "pull_request" in load(path)[True]:
            for name, job in jobs(path).items():
                if "pull_request" in str(job.get("if", "pull_request")):
                    written = {right for right, level in job["permissions"].items() if level == "write"}
                    assert written <= {"security-events"}, f"{path.name}: {name}"
                    assert "secrets." not in str(job), f"{path.name}: {name}"


@pytest.mark.parametrize(
    "path", FILES, ids=lambda path: path.name if path.parent.name == "workflows" else path.parent.name
)
def test_scripts_are_single_commands_without_expressions(path: Path) -> None:
    for step in steps(path):
        if "run" in step:
            lines = [line for line in step["run"].splitlines() if line.strip() and not line.startswith("# shellcheck")]
            assert "${{" not in step["run"]
            assert len(lines) == 1, f"{path.name}: {step['name']}: a command of ours belongs here"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_secrets_are_the_two_of_the_registry_and_behind_an_environment(path: Path) -> None:
    for name, job in jobs(path).items():
        secrets = set(re.findall(r"secrets\.(\w+)", str(job)))
        assert secrets <= {"REGISTRY_USERNAME", "REGISTRY_PASSWORD"}, name
        assert not secrets or job["environment"] == "registry", name


def test_zizmor_has_no_findings() -> None:
    zizmor = shutil.which("zizmor", path=sysconfig.get_path("scripts"))
    assert zizmor
    done = run(
        [zizmor, "--offline", "--pedantic", "--no-progress", "--strict-collection", "--format", "plain", ".github"],
        timeout_s=120,
        ok=range(256),
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout


def test_zizmor_does_find_something(tmp_path: Path) -> None:
    bad = tmp_path / ".github" / "workflows" / "bad.yaml"
    bad.parent.mkdir(parents=True)
    bad.write_text(
        (ROOT / ".github" / "workflows" / "plan-comment.yaml").read_text("utf-8").replace("zizmor: ignore", "")
    )
    zizmor = shutil.which("zizmor", path=sysconfig.get_path("scripts"))
    assert zizmor
    done = run([zizmor, "--offline", "--pedantic", "--no-progress", bad], timeout_s=120, ok=range(256))
    assert done.returncode != 0
    assert "dangerous-triggers" in done.stdout


def test_codeowners_guard_prod() -> None:
    rules = [
        line.split()
        for line in (ROOT / ".github" / "CODEOWNERS").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    everyone = next(owners for path, *owners in rules if path == "*")
    guarded = {path: owners for path, *owners in rules}
    for path in ("/values/prod/", "/deployments/prod/", "/deployments/base.yaml", "/.github/"):
        assert guarded[path]
        assert guarded[path] != everyone
    for path in guarded:
        assert path == "*" or (ROOT / path.strip("/")).exists(), path
        assert path == "*" or path.endswith("/") == (ROOT / path.strip("/")).is_dir(), path
