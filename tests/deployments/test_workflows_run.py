"""The pull request's jobs run for real: act takes their steps, one by one, in a scratch clone, offline.

What only GitHub has (caches, artefacts, code scanning) is stood in for by actions that this test writes. Python comes
with `.venv`, so that nothing is downloaded; every command that a `run:` names is the real thing.
"""

from __future__ import annotations

import json
import os
import re
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

from mldeploy.github.text import harmless
from mldeploy.process import Completed, run
from mldeploy.toolchain import tool
from tests.fixtures.github_api import GitHub, serve

ROOT = Path(__file__).parents[2]
WORKFLOWS = Path(".github/workflows")
TIMEOUT_S = 300.0
STAND_INS = {
    # act does a checkout by itself.
    "actions/checkout": ("", "exit 1"),
    # A runner that has been set up before.
    "actions/setup-python": ("", '"$SCRATCH/restore" && echo "python-version=3" >> "$GITHUB_OUTPUT"'),
    "actions/cache": ("path", 'test -n "$INPUT"'),
    "actions/upload-artifact": ("path", 'cp --recursive $INPUT "$SCRATCH/artefacts"'),
    "actions/download-artifact": ("path", 'cp --recursive "$SCRATCH/artefacts" "$INPUT"'),
    "github/codeql-action/upload-sarif": ("sarif_file", 'cp "$INPUT" "$SCRATCH/artefacts"'),
}


@dataclass(frozen=True)
class Clone:
    """A clone of this repository whose newest commit is the pull request's, and what act needs to run it."""

    path: Path
    scratch: Path
    event: Path

    @property
    def artefacts(self) -> Path:
        return self.scratch / "artefacts"

    def act(self, event: str, workflow: str, job: str, *options: str) -> Completed:
        """Run one job of a workflow for an event; a step that fails fails the job."""
        argv: list[str | Path] = [
            *(tool("act"), event, "--workflows", WORKFLOWS / workflow, "--job", job, "--eventpath", self.event),
            *("--platform", "ubuntu-24.04=-self-hosted", "--no-cache-server", "--json"),
            *("--action-cache-path", self.scratch / "act", "--env", f"SCRATCH={self.scratch}"),
            *self._stand_ins(),
            *options,
        ]
        # The user's own settings of act and git stay out of it.
        own = {"XDG_CONFIG_HOME": str(self.scratch), "GIT_CONFIG_GLOBAL": os.devnull, "DOCKER_HOST": "", "PIP_NO_INDEX": "1"}
        return run(argv, timeout_s=TIMEOUT_S, ok=(0, 1), cwd=self.path, env=own)

    def _stand_ins(self) -> list[str]:
        text = "".join(path.read_text("utf-8") for path in self.path.glob(".github/**/*.y*ml"))
        words = []
        for name, (given, command) in STAND_INS.items():
            found = re.search(rf"uses: {re.escape(name)}@(\w+)", text)
            assert found, f"{name} is used nowhere any more"
            owner, repository, *inside = name.split("/")
            home = self.scratch / "actions" / repository
            home.joinpath(*inside).mkdir(parents=True, exist_ok=True)
            step = {"shell": "bash", "run": command, "env": {"INPUT": f"${{{{ inputs.{given} }}}}"} if given else {}}
            inputs = {word: {"description": "as in the real one"} for word in [given] if word}
            action = {"name": name, "inputs": inputs, "runs": {"using": "composite", "steps": [step]}}
            home.joinpath(*inside, "action.yml").write_text(json.dumps(action), "utf-8")
            words += ["--local-repository", f"{owner}/{repository}@{found.group(1)}={home}"]
        return words


def git(folder: Path, *words: str) -> str:
    names = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
    return run(["git", *names, *words], timeout_s=60, cwd=folder, env={"GIT_CONFIG_GLOBAL": os.devnull}).stdout.strip()


RESTORE = """#!/bin/sh
set -eu
cp --archive "$SCRATCH/venv" .venv
# scripts/setup's own mark of a finished environment, for this place.
{ pwd; cat requirements/test.txt pyproject.toml; } | sha256sum > .venv/setup-stamp
"""


def make_venv(folder: Path) -> None:
    """Write what is restored: an environment with this one's packages, and the clone's own code before them."""
    (folder.parent / "restore").write_text(RESTORE)
    (folder.parent / "restore").chmod(0o755)
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/*/site-packages")
    (packages / "restored.pth").write_text(f"../../../../scripts\n{sysconfig.get_path('purelib')}\n")
    command = "from mldeploy.cli.main import main; raise SystemExit(main())"
    script = folder / "bin" / "mldeploy"
    script.write_text(f'#!/bin/sh\nexec "$(dirname "$0")/python" -c "{command}" "$@"\n')
    script.chmod(0o755)
    for program in ("ruff", "typos"):
        (folder / "bin" / program).symlink_to(Path(sysconfig.get_path("scripts")) / program)
    module = folder / "bin" / "mypy"
    module.write_text('#!/bin/sh\nexec "$(dirname "$0")/python" -m mypy "$@"\n')
    module.chmod(0o755)


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    scratch = tmp_path / "scratch"
    (scratch / "artefacts").mkdir(parents=True)
    make_venv(scratch / "venv")
    path = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(ROOT), str(path))
    # act takes the repository's name from here; nothing is fetched.
    git(path, "remote", "set-url", "origin", "https://github.com/acme/models")
    values = path / "values" / "prod" / "ml-api.yaml"
    values.write_text(values.read_text("utf-8") + "podLabels:\n  team: vision\n", "utf-8")
    git(path, "commit", "--quiet", "--all", "--message", "name the team")
    repository = {"full_name": "acme/models", "default_branch": "main"}
    head = {"sha": git(path, "rev-parse", "HEAD"), "ref": "team", "repo": repository}
    event = scratch / "event.json"
    pull = {"number": 7, "base": {"ref": "main"}, "head": head}
    run_of_it = {
        "event": "pull_request",
        "conclusion": "success",
        "head_branch": "team",
        "head_sha": head["sha"],
        "html_url": "https://github.com/acme/models/actions/runs/1",
        "head_repository": {"full_name": "stranger/models", "owner": {"login": "stranger"}},
    }
    content = {"number": 7, "pull_request": pull, "repository": repository, "workflow_run": run_of_it}
    event.write_text(json.dumps(content), "utf-8")
    return Clone(path, scratch, event)


def steps(done: Completed) -> dict[str, str]:
    """Give each step's outcome by its name."""
    outcomes: dict[str, str] = {}
    for line in done.stdout.splitlines():
        said = json.loads(line)
        if said.get("stepResult") and said.get("stage") == "Main":
            outcomes[said["step"]] = said["stepResult"]
    return outcomes


def output(done: Completed) -> str:
    return "\n".join(json.loads(line).get("msg", "").rstrip() for line in done.stdout.splitlines())


def passed(done: Completed) -> None:
    wrong = {step: outcome for step, outcome in steps(done).items() if outcome != "success"}
    assert not wrong, output(done)
    assert done.returncode == 0, output(done)


def test_lint(clone: Clone) -> None:
    done = clone.act("pull_request", "pull-request.yaml", "lint")
    passed(done)
    assert {"Values", "Spelling", "Python style", "Python format", "Python types"} <= set(steps(done))
    assert json.loads((clone.artefacts / "lint.sarif").read_text("utf-8"))["version"] == "2.1.0"


def test_lint_fails_at_the_line(clone: Clone) -> None:
    values = clone.path / "values" / "prod" / "ml-api.yaml"
    values.write_text(values.read_text("utf-8") + "replicaz: 3\n", "utf-8")
    git(clone.path, "commit", "--quiet", "--all", "--message", "a slip")
    done = clone.act("pull_request", "pull-request.yaml", "lint")
    assert done.returncode == 1
    outcomes = steps(done)
    assert (outcomes["Values"], outcomes["Upload SARIF"], outcomes["Spelling"]) == ("failure", "success", "success")
    line = len(values.read_text("utf-8").splitlines())
    assert f"file=values/prod/ml-api.yaml,line={line}" in done.stdout
    (found,) = json.loads((clone.artefacts / "lint.sarif").read_text("utf-8"))["runs"][0]["results"]
    assert found["locations"][0]["physicalLocation"]["region"]["startLine"] == line


def test_plan(clone: Clone) -> None:
    passed(clone.act("pull_request", "pull-request.yaml", "plan"))
    found = json.loads((clone.artefacts / "plan.json").read_text("utf-8"))
    affected = [(release["environment"], release["service"]) for release in found["releases"]]
    assert affected == [("prod", "ml-api")]
    assert "<html" in (clone.artefacts / "plan.html").read_text("utf-8")
    comment = (clone.artefacts / "plan.md").read_text("utf-8")
    assert "values/prod/ml-api.yaml" in comment
    # What posts the comment takes nothing out of a plan of ours that can be seen.
    assert harmless(comment).replace("\u200b", "") == comment.replace("\u200b", "").replace("&#64;", "@")


def test_the_comment_is_posted(clone: Clone) -> None:
    (clone.artefacts / "plan.md").write_text("**1 of 6 releases change** @everyone\n", "utf-8")
    with serve() as github:
        commit = git(clone.path, "rev-parse", "HEAD")
        github.pulls = [{"number": 7, "head": {"sha": commit}, "base": {"repo": {"full_name": "acme/models"}}}]
        passed(clone.act("workflow_run", "plan-comment.yaml", "comment", *reach(github)))
        (comment,) = github.comments
    assert "**1 of 6 releases change** @\u200beveryone" in comment["body"]
    assert commit[:12] in comment["body"]


def test_deploying_selects_what_differs_from_the_last_success(clone: Clone) -> None:
    with serve() as github:
        base = git(clone.path, "rev-parse", "HEAD^1")
        github.deployments = {
            "prod": [
                {"commitOid": git(clone.path, "rev-parse", "HEAD"), "latestStatus": {"state": "FAILURE"}},
                {"commitOid": base, "latestStatus": {"state": "SUCCESS"}},
            ],
            "staging": [{"commitOid": base, "latestStatus": {"state": "SUCCESS"}}],
        }
        done = clone.act("push", "deploy.yaml", "prod", *reach(github))
    assert done.returncode == 0, output(done)
    said = [line.strip() for line in output(done).splitlines() if "::set-output::" in line]
    # dev has no success yet, so all of it is applied; nothing differs in staging; in prod one release does.
    assert [line.partition(":: ")[2] for line in said if "affected=" in line or "selectors=" in line] == [
        "affected=false",
        "selectors=",
        "affected=true",
        "selectors=--selector service=ml-api",
    ]
    assert "helmfile" not in done.stdout, "without CLOUD nothing is applied"


def test_a_release_packages_the_charts(clone: Clone) -> None:
    passed(clone.act("push", "release.yaml", "package"))
    made = sorted(path.name for path in clone.artefacts.rglob("*.tgz"))
    assert [name.rpartition("-")[0] for name in made] == ["ml-api", "ml-batch"]
    assert len(list(clone.artefacts.rglob("*.cdx.json"))) == 2


def reach(github: GitHub) -> list[str]:
    """Options of act with which our commands speak to a GitHub of this test's own."""
    return [
        *("--env", f"GITHUB_API_URL={github.url}", "--env", f"GITHUB_GRAPHQL_URL={github.url}/graphql"),
        *("--secret", "GITHUB_TOKEN=t0ken"),
    ]
