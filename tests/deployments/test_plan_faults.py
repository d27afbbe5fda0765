"""What cannot be planned is said and leaves the rest; the checkout and its commits are left as they are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mldeploy.cli.main import main
from mldeploy.errors import ExitCode, MldeployError
from mldeploy.plan.planner import plan
from mldeploy.plan.reports import FORMATS, write
from mldeploy.plan.sides import WORKTREE
from tests.deployments.planning import API, ENVIRONMENTS, EVERYWHERE, names, planned

if TYPE_CHECKING:
    from tests.deployments.scratch import Scratch


def test_the_checkout_is_left_as_it_is(scratch: Scratch) -> None:
    scratch.append("values/prod/ml-api.yaml", "podAnnotations: {a: staged}\n")
    scratch.git("add", "--all")
    scratch.append("values/prod/ml-api.yaml", "podLabels: {a: unstaged}\n")
    watched = [["status", "--porcelain=v2", "--branch"], ["worktree", "list"], ["for-each-ref"], ["stash", "list"]]
    before = [scratch.git(*words) for words in watched]
    assert names(planned(scratch)) == {"prod-ml-api"}
    assert names(planned(scratch, head="HEAD")) == set()
    assert [scratch.git(*words) for words in watched] == before


def test_an_extracted_commit_that_was_altered_is_extracted_again(scratch: Scratch, own_cache: Path) -> None:
    assert planned(scratch).affected == []
    (tree,) = (own_cache / "trees").iterdir()
    victim = tree / "files" / "values" / "prod" / "ml-api.yaml"
    victim.write_text("autoscaling: {minReplicas: 9}\n")
    assert planned(scratch).affected == []
    (tree / "files" / "helmfile.yaml").unlink()
    assert planned(scratch).affected == []


def test_a_chart_that_does_not_render_on_one_side_leaves_the_others(scratch: Scratch) -> None:
    scratch.append("charts/ml-batch/templates/deployment.yaml", "{{ .Values.absent.deeper }}\n")
    scratch.append("values/prod/ml-api.yaml", "podAnnotations: {a: b}\n")
    for one, other, which in ((scratch.base, WORKTREE, "head"), (scratch.commit("broken"), scratch.base, "base")):
        found = plan(scratch.root, base=one, head=other)
        assert found.failed
        broken = [release for release in found.affected if release.error]
        assert {release.name for release in broken} == EVERYWHERE - API
        assert all(release.error.startswith(f"{which} does not render: ") for release in broken)
        assert all(str(scratch.root) not in release.error for release in broken)
        assert {release.name for release in found.affected if not release.error} == {"prod-ml-api"}


def test_a_helmfile_that_does_not_parse_leaves_the_other_environments(scratch: Scratch) -> None:
    scratch.write("deployments/staging/environment.yaml", "a: [unclosed\n")
    scratch.append("values/prod/ml-api.yaml", "podAnnotations: {a: b}\n")
    found = planned(scratch)
    assert found.failed
    assert names(found) == {"prod-ml-api"}
    (error,) = {each.name: each for each in found.environments}["staging"].errors
    assert error.startswith("head (working tree): ")
    assert "staging/environment.yaml" in error


def test_a_root_helmfile_that_does_not_parse_is_said_for_every_environment(scratch: Scratch) -> None:
    scratch.write("helmfile.yaml", "environments: [\n")
    found = planned(scratch)
    assert [environment.name for environment in found.environments] == list(ENVIRONMENTS)
    assert all("helmfile.yaml" in error for environment in found.environments for error in environment.errors)
    assert found.failed


def test_binary_garbage_in_a_values_file(scratch: Scratch) -> None:
    scratch.write("values/prod/ml-api.yaml", bytes(range(256)))
    found = planned(scratch)
    (release,) = found.affected
    assert release.name == "prod-ml-api"
    assert "values/prod/ml-api.yaml" in release.error
    for form in FORMATS:
        assert write(found, form)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"base": "no-such-branch"}, "'no-such-branch' names no commit in this repository; see git branch"),
        ({"base": "--help"}, "'--help' names no commit"),
        ({"head": "deadbeef"}, "'deadbeef' names no commit"),
        ({"wanted": ["prdo"]}, "declares no environment prdo; choose from dev, staging, prod"),
    ],
)
def test_a_question_that_has_no_answer(scratch: Scratch, choices: dict[str, Any], message: str) -> None:
    with pytest.raises(MldeployError, match=re.escape(message)):
        planned(scratch, **choices)


def test_a_shallow_clone_says_what_to_fetch(scratch: Scratch, tmp_path: Path) -> None:
    scratch.commit("second")
    clone = tmp_path / "clone"
    scratch.git("clone", "--quiet", "--depth=1", f"file://{scratch.root}", str(clone))
    with pytest.raises(MldeployError, match="shallow: run git fetch --unshallow, or fetch"):
        plan(clone, base=scratch.base, head=WORKTREE)
    assert plan(clone, base=None, head=WORKTREE).affected == []


def test_no_git_and_no_main_branch(scratch: Scratch, tmp_path: Path) -> None:
    scratch.git("branch", "--move", "topic")
    with pytest.raises(MldeployError, match="no main branch to compare with"):
        planned(scratch, base=None)
    (scratch.root / ".git").rename(tmp_path / "git")
    with pytest.raises(MldeployError, match="not a git repository"):
        planned(scratch)


def test_exit_codes(scratch: Scratch, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(scratch.root / "values")
    base = ["plan", "--base", scratch.base]
    assert main([*base, "--detailed-exitcode"]) == ExitCode.CLEAN
    scratch.append("values/prod/ml-api.yaml", "podAnnotations: {a: b}\n")
    assert main(base) == ExitCode.CLEAN
    assert main([*base, "--detailed-exitcode"]) == ExitCode.FINDINGS
    scratch.append("values/prod/ml-api.yaml", "podAnnotations: [\n")
    assert main([*base, "--detailed-exitcode"]) == ExitCode.ERROR
    assert main(["plan", "--base", "nothing"]) == ExitCode.ERROR
    captured = capsys.readouterr()
    assert captured.err == (
        "mldeploy: 'nothing' names no commit in this repository\n  -> see git branch --all, or git fetch it first\n"
    )
