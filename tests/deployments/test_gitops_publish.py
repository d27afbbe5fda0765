"""Publishing: its diff is the plan, the same input publishes nothing, and what is refused changes nothing."""

from __future__ import annotations

import json
import os
import random
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import yaml

from mldeploy import process
from mldeploy.cli.main import main
from mldeploy.errors import ExitCode, MldeployError, RefusedError
from mldeploy.gitops.branch import Branch
from mldeploy.gitops.publish import to_branch, to_folder
from mldeploy.plan.planner import plan
from mldeploy.render import environments, list_releases, parse, render
from mldeploy.toolchain import tool

if TYPE_CHECKING:
    from tests.deployments.scratch import Scratch

NAME = "rendered"
SEED, EDITS = 20, 8


@pytest.fixture(autouse=True)
def identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """A git of this test's own: nobody's settings, and an identity to commit with."""
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, os.devnull)
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "t")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "t@example.com")


def tip(scratch: Scratch) -> str:
    return scratch.git("rev-parse", NAME)


def changed(scratch: Scratch, before: str) -> set[tuple[str, str, str]]:
    """Give environment, kind and name of each object whose file the last publish added, changed or removed."""
    found = set()
    for path in scratch.git("diff", "--no-renames", "--name-only", before, NAME).splitlines():
        environment, _, file = path.partition("/")
        if file.endswith(("kustomization.yaml", "provenance.yaml")):
            continue
        side = NAME if scratch.git("ls-tree", NAME, path) else before
        data = yaml.safe_load(scratch.git("show", f"{side}:{path}"))
        found.add((environment, data["kind"], data["metadata"]["name"]))
    return found


def planned(scratch: Scratch, base: str) -> set[tuple[str, str, str]]:
    """Give what `mldeploy plan` says of the objects that a cluster keeps."""
    return {
        (release.environment, change.kind, change.name)
        for release in plan(scratch.root, base=base, head="HEAD").affected
        for change in release.objects
        if not change.hook
    }


def test_every_release_is_published_as_it_is_rendered(scratch: Scratch, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    done = to_folder(scratch.root, folder)
    assert done.written
    releases = [each for one in list_releases(scratch.root, environments(scratch.root)) for each in one.releases]
    assert len(releases) == 6
    for rendered in render(scratch.root, releases, objects=True):
        home = folder / rendered.release.environment / rendered.release.service
        built = process.run([tool("kustomize"), "build", home], timeout_s=60).stdout
        (objects,) = parse([built])
        wanted = [each.data for each in rendered.objects if "helm.sh/hook" not in json.dumps(each.data)]
        assert ordered(each.data for each in objects) == ordered(wanted)
    environment = process.run([tool("kustomize"), "build", folder / "dev"], timeout_s=60).stdout
    assert environment.count("\nkind: Deployment\n") == 3


def ordered(objects: object) -> list[str]:
    return sorted(json.dumps(each, sort_keys=True) for each in objects)  # type: ignore[attr-defined]


def test_the_diff_of_a_publish_is_the_plan(scratch: Scratch) -> None:
    branch = Branch(scratch.root, NAME)
    to_branch(branch)
    assert to_branch(branch).written is False
    chance, told = random.Random(SEED), 0  # noqa: S311 - no secret is made of it
    for number in range(EDITS):
        base, before = scratch.git("rev-parse", "HEAD"), tip(scratch)
        edit(scratch, chance)
        scratch.commit(f"edit {number}")
        expected = planned(scratch, base)
        done = to_branch(branch)
        assert changed(scratch, before) == expected, f"edit {number}"
        assert done.written == bool(expected)
        if expected:
            told += 1
            body = scratch.git("show", "--no-patch", "--format=%B", NAME)
            assert all(f"{kind} {name}" in body for _, kind, name in expected)
            assert f"Source-Commit: {scratch.git('rev-parse', 'HEAD')}" in body
            assert "because of values/" in body
        assert scratch.git("rev-parse", f"{NAME}~{told}") == scratch.git("rev-list", "--max-parents=0", NAME)
    assert told > EDITS // 2


def edit(scratch: Scratch, chance: random.Random) -> None:
    """Write something into a values file that an engineer may; sometimes nothing that renders."""
    name = f"values/{chance.choice(['dev', 'staging', 'prod'])}/{chance.choice(['ml-api', 'ml-batch'])}.yaml"
    values = yaml.safe_load(scratch.path(name).read_text("utf-8")) or {}
    edits: list[tuple[str, dict[str, Any]]] = [
        ("image", {"tag": f"v{chance.randrange(99)}"}),
        ("config", {"logLevel": chance.choice(["debug", "warning"])}),
        ("networkPolicy", {"enabled": chance.random() < 0.5}),
        ("podLabels", {"team": f"t{chance.randrange(99)}"}),
        ("serviceAccount", {"annotations": {"role": f"r{chance.randrange(99)}"}}),
        ("nodeSelector", {"disk": chance.choice(["ssd", "hdd"])}),
    ]
    one, other = chance.choice(edits)
    values[one] = {**(values.get(one) or {}), **other}
    scratch.write(name, yaml.safe_dump(values))


def test_what_differs_in_comments_alone_publishes_nothing(scratch: Scratch) -> None:
    to_branch(Branch(scratch.root, NAME))
    before = tip(scratch)
    scratch.append("values/dev/ml-api.yaml", "# a remark\n")
    scratch.commit("a remark")
    assert main_in(scratch, "gitops", "publish") == ExitCode.CLEAN
    assert tip(scratch) == before


def test_the_checkout_is_left_alone(scratch: Scratch) -> None:
    head, status = scratch.git("rev-parse", "HEAD"), scratch.git("status", "--porcelain")
    index = (scratch.root / ".git" / "index").read_bytes()
    to_branch(Branch(scratch.root, NAME))
    assert scratch.git("rev-parse", "HEAD") == head
    assert scratch.git("status", "--porcelain", "--", ":!.mldeploy") == status
    assert (scratch.root / ".git" / "index").read_bytes() == index
    assert scratch.git("rev-parse", "--abbrev-ref", "HEAD") == "main"
    assert list((scratch.root / ".mldeploy").iterdir()) == []


def test_an_environment_that_is_no_more_goes_away_and_nothing_else(scratch: Scratch, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    to_folder(scratch.root, folder)
    (folder / "prod" / "NOTES.md").write_text("mine")
    (folder / "README.md").write_text("mine")
    text = scratch.path("helmfile.yaml").read_text("utf-8")
    scratch.write("helmfile.yaml", re.sub(r"  prod:\n.*\n", "", text))
    scratch.commit("prod is no more")
    to_folder(scratch.root, folder, wanted=["dev"])
    assert (folder / "prod" / "provenance.yaml").exists()
    done = to_folder(scratch.root, folder)
    removed = {release.name for release in done.plan.affected}
    assert removed == {"prod-ml-api", "prod-ml-batch"}
    assert [path.name for path in (folder / "prod").rglob("*")] == ["NOTES.md"]
    assert (folder / "README.md").exists()


def test_one_environment_is_published_alone(scratch: Scratch, tmp_path: Path) -> None:
    to_folder(scratch.root, tmp_path / "out", wanted=["staging"])
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["staging"]


def test_a_dirty_tree_is_refused_or_marked(
    scratch: Scratch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scratch.append("values/dev/ml-api.yaml", "podLabels: {team: a}\n")
    assert main_in(scratch, "gitops", "publish") == ExitCode.REFUSED
    assert "values/dev/ml-api.yaml" in capsys.readouterr().err
    assert scratch.git("branch", "--list", NAME) == ""
    assert main_in(scratch, "gitops", "publish", "--head", "worktree") == ExitCode.ERROR
    to_branch(Branch(scratch.root, NAME), head="HEAD")
    assert "team: a" not in scratch.git("show", f"{NAME}:dev/ml-api/deployment-dev-ml-api.yaml")
    inside = scratch.root / "out"
    to_folder(scratch.root, inside, head="worktree")
    assert yaml.safe_load((inside / "dev" / "provenance.yaml").read_text())["modified"] is True
    assert "team: a" in (inside / "dev" / "ml-api" / "deployment-dev-ml-api.yaml").read_text()


def main_in(scratch: Scratch, *words: str) -> int:
    before = Path.cwd()
    os.chdir(scratch.root)
    try:
        return main(words)
    finally:
        os.chdir(before)


# An object of each kind of leak, by its name -> how its line ends.
LEAKS = {
    "filled": ("Secret", "stringData: {a: Hunter2Hunter2}", "a Secret"),
    "empty": ("Secret", "type: Opaque", "a Secret"),
    "password": ("ConfigMap", "data: {password: Hunter2Hunter2}", "data.password looks like a credential"),
    "inside": ("ConfigMap", 'data: {app.ini: "user = a\\npassword = Hunter2Hunter2"}', "it has a credential in it"),
    "url": ("ConfigMap", "data: {url: 'redis://u:Hunter2Hunter2@h'}", "a URL with a password"),
    "token": ("ConfigMap", f"data: {{a: 'ghp_{'aB3' * 12}'}}", "a token or private key"),
    "variable": (
        "Pod",
        "spec: {containers: [{name: c, image: i, env: [{name: DB_PASSWORD, value: Hunter2Hunter2}]}]}",
        "a credential as a plain variable",
    ),
    "argument": (
        "Pod",
        "spec: {containers: [{name: c, image: i, args: ['--token=Hunter2Hunter2']}]}",
        "it has a credential in it",
    ),
}


def test_secrets_are_refused_and_not_told(scratch: Scratch, tmp_path: Path) -> None:
    objects = [
        f"apiVersion: v1\nkind: {kind}\nmetadata: {{name: {name}}}\n{rest}\n" for name, (kind, rest, _) in LEAKS.items()
    ]
    scratch.write("charts/ml-api/templates/leaks.yaml", "---\n".join(objects))
    scratch.commit("leaks")
    with pytest.raises(RefusedError, match="secrets are not published") as error:
        to_folder(scratch.root, tmp_path / "out", wanted=["dev"])
    lines = error.value.message.splitlines()
    for name, (kind, _, said) in LEAKS.items():
        assert any(f"{kind} {name}: " in line and line.endswith(said) for line in lines), name
    assert "Hunter2" not in error.value.message
    assert "aB3" not in error.value.message
    assert not (tmp_path / "out").exists()


def test_references_to_secrets_are_published(scratch: Scratch, tmp_path: Path) -> None:
    scratch.append(
        "values/dev/ml-api.yaml",
        "externalSecret:\n  enabled: true\n  storeRef: {name: s}\n  data: {api-keys: {key: k, property: api-keys}}\n",
    )
    scratch.commit("a reference")
    to_folder(scratch.root, tmp_path / "out", wanted=["dev"])
    assert (tmp_path / "out" / "dev" / "ml-api" / "externalsecret-dev-ml-api.yaml").exists()


def test_hooks_that_only_helm_runs_are_refused(scratch: Scratch, tmp_path: Path) -> None:
    scratch.write(
        "charts/ml-api/templates/migrate.yaml",
        "apiVersion: batch/v1\nkind: Job\nmetadata: {name: migrate, annotations: {helm.sh/hook: 'test,pre-upgrade'}}\n",
    )
    scratch.commit("a hook")
    with pytest.raises(MldeployError, match="Job migrate is a Helm hook"):
        to_folder(scratch.root, tmp_path / "out", wanted=["dev"])


def test_what_does_not_render_is_not_published(scratch: Scratch) -> None:
    to_branch(Branch(scratch.root, NAME))
    before = tip(scratch)
    scratch.append("values/prod/ml-api.yaml", "autoscaling: {maxReplicas: many}\n")
    scratch.append("values/dev/ml-api.yaml", "podLabels: {team: a}\n")
    scratch.commit("broken")
    assert main_in(scratch, "gitops", "publish") == ExitCode.ERROR
    assert tip(scratch) == before


def test_an_older_commit_is_refused_and_its_revert_is_not(scratch: Scratch) -> None:
    branch = Branch(scratch.root, NAME)
    scratch.append("values/dev/ml-api.yaml", "podLabels: {team: a}\n")
    scratch.commit("newer")
    to_branch(branch)
    with pytest.raises(RefusedError, match="which comes after"):
        to_branch(branch, head=scratch.base)
    scratch.git("revert", "--no-edit", "HEAD")
    assert to_branch(branch).written


def test_the_branch_of_a_remote_takes_turns(scratch: Scratch, tmp_path: Path) -> None:
    """Two clones publish one after the other, each with its own clone's objects; the second was not fetched."""
    remote, other = tmp_path / "remote.git", tmp_path / "other"
    scratch.git("init", "--quiet", "--bare", str(remote))
    scratch.git("remote", "add", "origin", str(remote))
    scratch.git("push", "--quiet", "origin", "main")
    scratch.git("clone", "--quiet", "--branch", "main", str(remote), str(other))
    to_branch(Branch(scratch.root, NAME, "origin"), wanted=["dev"])
    assert scratch.git("branch", "--list", NAME) == ""
    first = scratch.git("ls-remote", "origin", NAME).split()[0]
    done = to_branch(Branch(other, NAME, "origin"), wanted=["staging"])
    assert process.run(["git", "rev-parse", f"{done.commit}^"], timeout_s=60, cwd=other).stdout.strip() == first


def test_a_branch_that_moves_meanwhile_is_followed(scratch: Scratch) -> None:
    branch, calls = Branch(scratch.root, NAME), 0
    to_branch(branch, wanted=["dev"])

    def change(files: Path) -> str:
        nonlocal calls
        calls += 1
        if calls == 1:
            to_branch(branch, wanted=["staging"])
        (files / "more").write_text("more")
        return "more"

    branch.update(change)
    assert calls == 2
    assert set(scratch.git("ls-tree", "--name-only", NAME).split()) == {"dev", "staging", "more"}


def test_a_branch_that_moves_all_the_time_is_given_up(scratch: Scratch) -> None:
    branch = Branch(scratch.root, NAME)

    def change(_: Path) -> str:
        other = scratch.git("commit-tree", "-m", f"{uuid4()}", "HEAD^{tree}")
        scratch.git("update-ref", f"refs/heads/{NAME}", other)
        return "mine"

    with pytest.raises(RefusedError, match="somebody else published"):
        branch.update(change)


@pytest.mark.parametrize(
    ("name", "remote", "message"),
    [
        ("main", "", "is checked out in"),
        ("source", "", "holds files, and none that"),
        ("a..b", "", "is no name for a branch"),
        (NAME, "https://u:p@example.com/r.git", "has a password or a token in it"),
        (NAME, "https://token@example.com/r.git", "has a password or a token in it"),
        (NAME, "named", "has a password or a token in it"),
        (NAME, "named-push", "has a password or a token in it"),
        (NAME, "nowhere", "cannot be asked"),
    ],
)
def test_branches_that_cannot_be_published_to(name: str, remote: str, message: str, scratch: Scratch) -> None:
    scratch.git("branch", "source")
    scratch.git("remote", "add", "named", "https://u:p@example.com/r.git")
    scratch.git("remote", "add", "named-push", "ssh://git@example.com/r.git")
    scratch.git("remote", "set-url", "--push", "named-push", "https://token@example.com/r.git")
    with pytest.raises(MldeployError, match=message):
        to_branch(Branch(scratch.root, name, remote), wanted=["dev"])
