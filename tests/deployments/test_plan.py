"""Edits of every class on a scratch branch: plan names exactly the releases, what it means, and the line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mldeploy.cli.main import main
from mldeploy.errors import ExitCode, MldeployError
from mldeploy.github import affected_selectors
from mldeploy.plan import WORKTREE, Action, Kind, Plan, plan
from mldeploy.plan.reports import FORMATS, write
from mldeploy.plan.reports.markdown import LIMIT
from mldeploy.render import Selector

if TYPE_CHECKING:
    from tests.deployments.scratch import Scratch

ENVIRONMENTS = ("dev", "staging", "prod")
EVERYWHERE = {f"{environment}-{service}" for environment in ENVIRONMENTS for service in ("ml-api", "ml-batch")}
API = {f"{environment}-ml-api" for environment in ENVIRONMENTS}
ROLE = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules:
  - {apiGroups: [""], resources: [configmaps], verbs: [get, list]}
"""
CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: models}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"""
STATEFUL = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: store}
spec:
  serviceName: store
  selector: {matchLabels: {app: store}}
  template:
    metadata: {labels: {app: store}}
    spec: {containers: [{name: store, image: "store:1"}]}
"""
CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: models.example.com}
spec: {group: example.com, names: {kind: Model, plural: models}, scope: Namespaced}
"""


def planned(scratch: Scratch, **choices: Any) -> Plan:
    return plan(scratch.root, **{"base": scratch.base, "head": WORKTREE, **choices})


def names(found: Plan) -> set[str]:
    return {release.name for release in found.affected}


def kinds(found: Plan) -> set[Kind]:
    return {kind for release in found.affected for kind in release.kinds}


def places(found: Plan) -> set[str]:
    return {reason.place for release in found.affected for reason in release.reasons}


Edit = Callable[["Scratch"], int]


def value(name: str, old: str, new: str) -> Edit:
    return lambda scratch: scratch.replace(f"values/{name}.yaml", old, new)


def appended(name: str, text: str) -> Edit:
    def edit(scratch: Scratch) -> int:
        before = scratch.path(f"values/{name}.yaml").read_text("utf-8")
        scratch.append(f"values/{name}.yaml", text)
        return before.count("\n") + text.count("\n")

    return edit


# What is edited -> which releases differ, what it means, and the file whose (last edited) line is named.
ROUTE = "{kind: ingress, host: a.example.com, from: [{ipBlock: {cidr: 10.0.0.0/8}}], ingress: {tls: {secretName: a}}}"
EDITS: dict[str, tuple[Edit, set[str], set[Kind], str]] = {
    "image of an environment": (
        appended("staging/values", "image:\n  tag: new\n"),
        {"staging-ml-api", "staging-ml-batch"},
        {Kind.IMAGE, Kind.RESTART, Kind.HOOK},
        "values/staging/values.yaml",
    ),
    "autoscaler's bounds": (
        value("prod/ml-api", "minReplicas: 3", "minReplicas: 4"),
        {"prod-ml-api"},
        {Kind.HPA},
        "values/prod/ml-api.yaml",
    ),
    "budget": (
        value("prod/ml-api", "minAvailable: 2", "minAvailable: 1"),
        {"prod-ml-api"},
        {Kind.BUDGET},
        "values/prod/ml-api.yaml",
    ),
    "limits": (
        value("prod/ml-api", "memory: 768Mi", "memory: 1Gi"),
        {"prod-ml-api"},
        {Kind.RESOURCES, Kind.RESTART},
        "values/prod/ml-api.yaml",
    ),
    "a wider network policy": (
        appended("prod/ml-batch", "networkPolicy:\n  egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}]\n"),
        {"prod-ml-batch"},
        {Kind.NETWORK_OPENED},
        "values/prod/ml-batch.yaml",
    ),
    "no network policy": (
        appended("dev/ml-api", "networkPolicy:\n  enabled: false\n"),
        {"dev-ml-api"},
        {Kind.NETWORK_OPENED},
        "values/dev/ml-api.yaml",
    ),
    "a service for everybody": (
        appended("dev/ml-api", "edge: {kind: loadBalancer, loadBalancer: {sourceRanges: [0.0.0.0/0]}}\n"),
        {"dev-ml-api"},
        {Kind.NETWORK_OPENED},
        "values/dev/ml-api.yaml",
    ),
    "a route": (
        appended("dev/ml-api", f"edge: {ROUTE}\n"),
        {"dev-ml-api"},
        {Kind.NETWORK_OPENED, Kind.SECRET_REFERENCE},
        "values/dev/ml-api.yaml",
    ),
    "a pull secret": (
        appended("dev/ml-api", "imagePullSecrets: [{name: registry}]\n"),
        {"dev-ml-api"},
        {Kind.SECRET_REFERENCE, Kind.RESTART, Kind.HOOK},
        "values/dev/ml-api.yaml",
    ),
    "a key that is gone": (
        value("prod/ml-api", "  delaySeconds: 10\n", ""),
        {"prod-ml-api"},
        {Kind.KEY_DROPPED, Kind.RESTART},
        "values/prod/ml-api.yaml",
    ),
}


def edited_environment_value(scratch: Scratch) -> None:
    # "image of an environment" appends `image:`, which the file must not have twice.
    text = scratch.path("values/staging/values.yaml").read_text("utf-8")
    scratch.write("values/staging/values.yaml", re.sub(r"^image:\n(?:  .*\n)+", "", text, flags=re.MULTILINE))
    scratch.base = scratch.commit("no image for staging")


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_of_values(scratch: Scratch, edit: str) -> None:
    change, releases, meaning, file = EDITS[edit]
    if edit == "image of an environment":
        edited_environment_value(scratch)
    line = change(scratch)
    found = planned(scratch)
    assert names(found) == releases
    assert kinds(found) == meaning
    assert places(found) == {f"{file}:{line}"}
    assert not found.failed


def test_a_default_changes_only_where_nothing_overrides_it(scratch: Scratch) -> None:
    scratch.write("values/prod/ml-batch.yaml", "config:\n  batchJobs: 16\n")
    scratch.base = scratch.commit("prod sets batchJobs")
    text = scratch.path("charts/ml-batch/values.yaml").read_text("utf-8")
    (default,) = re.findall(r"^  batchJobs: \d+$", text, flags=re.MULTILINE)
    line = scratch.replace("charts/ml-batch/values.yaml", default, "  batchJobs: 5")
    found = planned(scratch)
    assert names(found) == {"dev-ml-batch", "staging-ml-batch"}
    assert places(found) == {f"charts/ml-batch/values.yaml:{line}"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("values/prod/ml-api.yaml", "\n# a comment\n"),
        ("charts/ml-api/README.md", "more words\n"),
        ("charts/ml-api/templates/service.yaml", "# a comment in the manifest\n"),
        ("docs/new.md", "words\n"),
    ],
)
def test_what_renders_the_same_affects_nothing(scratch: Scratch, name: str, text: str) -> None:
    scratch.write(name, (scratch.path(name).read_text("utf-8") if scratch.path(name).exists() else "") + text)
    found = planned(scratch)
    assert found.affected == []
    assert [environment.unchanged for environment in found.environments] == [2, 2, 2]


def test_a_selector_that_changes_cannot_be_applied(scratch: Scratch) -> None:
    name = "charts/ml-api/templates/deployment.yaml"
    text = scratch.path(name).read_text("utf-8")
    assert re.search(r"^    matchLabels:$", text, flags=re.MULTILINE)
    scratch.write(name, text.replace("    matchLabels:\n", "    matchLabels:\n      extra: label\n", 1))
    found = planned(scratch)
    assert names(found) == API
    assert Kind.IMMUTABLE in kinds(found)
    assert places(found) == {name}


def test_the_shared_chart_affects_both_charts(scratch: Scratch) -> None:
    (file,) = scratch.path("charts/ml-common/templates").glob("_serviceaccount.tpl")
    text = file.read_text("utf-8")
    file.write_text(text.replace("kind: ServiceAccount\n", "kind: ServiceAccount\nsecrets: [{name: x}]\n", 1), "utf-8")
    found = planned(scratch)
    assert names(found) == EVERYWHERE
    assert places(found) == {"charts/ml-common/templates/_serviceaccount.tpl"}


TEMPLATE = "charts/ml-api/templates/extra.yaml"


@pytest.mark.parametrize(
    ("before", "after", "action", "meaning"),
    [
        ("", ROLE, Action.ADDED, {Kind.RBAC_WIDENED}),
        (ROLE, ROLE.replace("get, list", "get, list, watch"), Action.CHANGED, {Kind.RBAC_WIDENED}),
        (ROLE, ROLE.replace("get, list", "get"), Action.CHANGED, set()),
        (ROLE, "", Action.REMOVED, set()),
        (CLAIM, "", Action.REMOVED, {Kind.DATA_LOSS}),
        (CLAIM, CLAIM.replace("ReadWriteOnce", "ReadWriteMany"), Action.CHANGED, {Kind.IMMUTABLE}),
        (CLAIM, CLAIM.replace("1Gi", "2Gi"), Action.CHANGED, {Kind.RESOURCES}),
        (CLAIM, CLAIM.replace("1Gi", "1024Mi"), None, set()),
        (STATEFUL, STATEFUL.replace("serviceName: store", "serviceName: other"), Action.CHANGED, {Kind.IMMUTABLE}),
        (STATEFUL, STATEFUL.replace("store:1", "store:2"), Action.CHANGED, {Kind.RESTART, Kind.IMAGE}),
        (CRD, CRD.replace("Namespaced", "Cluster"), Action.CHANGED, {Kind.CRD, Kind.IMMUTABLE}),
        (CRD, "", Action.REMOVED, {Kind.CRD, Kind.DATA_LOSS}),
    ],
)
def test_an_object_of_a_template(
    scratch: Scratch, before: str, after: str, action: Action | None, meaning: set[Kind]
) -> None:
    scratch.write(TEMPLATE, before)
    scratch.base = scratch.commit("before")
    scratch.write(TEMPLATE, after)
    found = planned(scratch, wanted=["dev"])
    if action is None:
        assert found.affected == []
        return
    (release,) = found.affected
    (change,) = release.objects
    assert (change.action, set(change.kinds), set(release.kinds)) == (action, meaning, meaning)


def test_crds_that_helm_never_upgrades_are_planned_too(scratch: Scratch) -> None:
    scratch.write("charts/ml-api/crds/models.yaml", CRD)
    found = planned(scratch)
    assert names(found) == API
    assert kinds(found) == {Kind.CRD}


def test_a_release_that_is_declared_no_more_is_listed_and_not_selected(scratch: Scratch, tmp_path: Path) -> None:
    text = scratch.path("deployments/base.yaml").read_text("utf-8")
    start = text.index('  - name: "{{ .Values.environment }}-ml-batch"')
    scratch.write("deployments/base.yaml", text[:start])
    found = planned(scratch)
    assert names(found) == {f"{environment}-ml-batch" for environment in ENVIRONMENTS}
    assert {release.action for release in found.affected} == {Action.REMOVED}
    (tmp_path / "plan.json").write_text(write(found, "json"))
    assert affected_selectors(tmp_path / "plan.json", "dev") == []
    scratch.commit("ml-batch is gone")
    back = plan(scratch.root, base="HEAD", head=scratch.base)
    assert {release.action for release in back.affected} == {Action.ADDED}
    assert Kind.HPA in kinds(back)


def test_the_sums_follow_replicas_and_requests(scratch: Scratch) -> None:
    scratch.append("values/prod/ml-batch.yaml", "image: {pullPolicy: Always}\n")
    scratch.replace("values/prod/ml-batch.yaml", "    cpu: 50m", "    cpu: 100m")
    environment = {each.name: each for each in planned(scratch).environments}["prod"]
    before, after = environment.before, environment.after
    assert after.minimum.amounts["cpu"] == pytest.approx(before.minimum.amounts["cpu"] + 0.05 * 2)
    assert after.maximum.amounts["cpu"] > after.minimum.amounts["cpu"]


def test_only_what_is_asked_for_is_planned(scratch: Scratch) -> None:
    scratch.append("charts/ml-common/templates/_labels.tpl", "\n")
    for environment in ENVIRONMENTS:
        scratch.append(f"values/{environment}/ml-api.yaml", "podAnnotations: {a: b}\n")
        scratch.append(f"values/{environment}/ml-batch.yaml", "podAnnotations: {a: b}\n")
    assert names(planned(scratch)) == EVERYWHERE
    assert names(planned(scratch, wanted=["staging"])) == {"staging-ml-api", "staging-ml-batch"}
    assert names(planned(scratch, selector=Selector.parse(["service=ml-api,environment!=prod"]))) == API - {
        "prod-ml-api"
    }


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


# --- what cannot be planned


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


# --- what a report may and may not hold

HOSTILE = [
    "`code` **bold** [link](https://evil.example) <img src=x onerror=alert(1)> @everyone #1",
    "</pre></details><script>alert(1)</script>",
    "| a | table | --- |",
    "::error file=a::injected",
    "##[add-mask]injected",
    "\x1b[31mred\x1b]0;title\x07",
    "line\n::warning::second line\r\n::set-output name=a::b",
    "${{ secrets.TOKEN }} {{ 7 * 7 }} {% raw %}",
    "\u202eright to left\u200b",
    "```\nfence\n```",
]


class Page(HTMLParser):
    """Collects what a browser would make elements of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_hostile_strings_are_shown_and_do_nothing(scratch: Scratch) -> None:
    annotations = {f"example.com/key-{index}": text for index, text in enumerate(HOSTILE)}
    scratch.append("values/dev/ml-api.yaml", f"podAnnotations: {json.dumps(annotations)}\n")
    found = planned(scratch)
    reports = {form: write(found, form) for form in FORMATS}
    assert json.loads(reports["json"])["releases"][0]["name"] == "dev-ml-api"
    for form in ("text", "github", "markdown", "html"):
        text = reports[form]
        assert "onerror" in text, "shown"
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e]", text.replace("@\u200b", "@"))
        assert "##[" not in text
    for line in reports["text"].splitlines():
        assert not line.lstrip().startswith("::")
    commands = [line for line in reports["github"].splitlines() if line.lstrip().startswith("::")]
    assert commands
    assert all(
        re.match(r"::(notice|warning|error) title=plan dev,file=values/dev/ml-api.yaml,line=\d+::", line)
        for line in commands
    )
    page = Page(reports["html"])
    assert "script" not in page.tags
    assert not page.attributes & {"src", "onerror", "href"}
    outside = re.sub(r"<pre.*?</pre>", "", reports["markdown"], flags=re.DOTALL)
    assert "evil" not in outside
    assert Page(reports["markdown"]).tags <= {"details", "summary", "pre", "br"}
    assert reports["markdown"].count("<details>") == reports["markdown"].count("</details>") == 1
    assert "@everyone" not in reports["markdown"]


def test_a_comment_stays_below_the_limit_whatever_changes(scratch: Scratch) -> None:
    for environment in ENVIRONMENTS:
        for service in ("ml-api", "ml-batch"):
            many = {f"key-{index}": "`|<" * 60 for index in range(400)}
            scratch.append(f"values/{environment}/{service}.yaml", f"podAnnotations: {json.dumps(many)}\n")
    text = write(planned(scratch), "markdown")
    assert len(text) <= LIMIT < 65_536
    assert text.count("<details>") == text.count("</details>")
    assert all(name in text.replace("\\", "") for name in EVERYWHERE), "the summary names every release"
    assert "does not fit into a comment" in text


SECRETS = [f"s3cr3t-value-{index:02}-{'abcdefghij'[index % 10] * 3}" for index in range(50)]


def test_no_planted_secret_is_in_any_report(scratch: Scratch) -> None:
    """50 secrets, each where one may be by mistake: Secret objects, their copies, credentials as plain values."""
    entries = "\n".join(f"  key-{index}: {json.dumps(text)}" for index, text in enumerate(SECRETS[:20]))
    encoded = "\n".join(
        f"  b64-{index}: {{{{ {json.dumps(text)} | b64enc }}}}" for index, text in enumerate(SECRETS[20:30])
    )
    variables = "\n".join(
        f"        - {{name: {name}, value: {json.dumps(text)}}}"
        for name, text in zip(
            ("DB_PASSWORD", "API_KEY", "apiToken", "CLIENT_SECRET", "AWS_SECRET_ACCESS_KEY"),
            SECRETS[30:35],
            strict=True,
        )
    )
    copies = "\n".join(f"  copy-{index}: {json.dumps(f'see {text} here')}" for index, text in enumerate(SECRETS[:5]))
    config = "\n".join(
        [
            f"  password: {SECRETS[35]}",
            f"  settings.ini: {json.dumps(f'user=a{chr(10)}password = {SECRETS[36]}{chr(10)}token: {SECRETS[37]}')}",
            f"  url: redis://user:{SECRETS[38]}@host:6379/0",
            f"  arguments: --api-key={SECRETS[39]} --port=80",
        ]
    )

    def template(suffix: str) -> str:
        secret = (
            f"apiVersion: v1\nkind: Secret\nmetadata: {{name: planted}}\nstringData:\n{entries}\ndata:\n{encoded}\n"
        )
        pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: planted}\nspec:\n  containers:\n    - name: a\n      env:\n"
        config_map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: planted}\ndata:\n"
        text = f"{secret}---\n{pod}{variables}\n---\n{config_map}{copies}\n{config}\n"
        return text.replace("-value-", f"-value{suffix}-")

    def values(suffix: str) -> str:
        planted = {f"example.com/password-{index}": text for index, text in enumerate(SECRETS[40:50])}
        return f"podAnnotations: {json.dumps(planted)}\n".replace("-value-", f"-value{suffix}-")

    untouched = scratch.path("values/dev/ml-api.yaml").read_text("utf-8")
    scratch.write(TEMPLATE, template("-old"))
    scratch.write("values/dev/ml-api.yaml", untouched + values("-old"))
    scratch.base = scratch.commit("planted")
    scratch.write(TEMPLATE, template("-new"))
    scratch.write("values/dev/ml-api.yaml", untouched + values("-new"))
    changed = planned(scratch)
    # Both a secret of the base and one that only the failing side has, repeated by what fails.
    fails = '{{ fail (printf "%s and %s" "BASE" (index .Values.podAnnotations "example.com/password-0")) }}\n'
    base_secret = SECRETS[3].replace("-value-", "-value-old-")
    scratch.write(TEMPLATE, template("-new") + fails.replace("BASE", base_secret))
    failing = planned(scratch)
    scratch.write(TEMPLATE, "")
    removed = planned(scratch)
    assert failing.failed
    for found in (changed, failing, removed):
        assert names(found)
        for form in FORMATS:
            text = write(found, form)
            assert "s3cr3t" not in text, re.findall(r".*s3cr3t.*", text)[:3]
    hidden = [change.name for release in changed.affected for change in release.objects if change.kind == "Secret"]
    assert hidden == ["planted"] * 3, "a Secret that differs is still named"
