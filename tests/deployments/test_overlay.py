"""Base and overlays are what charts and values make of them, and kustomize builds from them what the charts render."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from mldeploy import paths
from mldeploy.cli import main as cli
from mldeploy.overlay import builds, files, kustomize
from mldeploy.overlay.same import unequal
from mldeploy.overlay.source import sources
from mldeploy.plan.objects import manifested
from mldeploy.progress import Quiet
from mldeploy.render import parse

if TYPE_CHECKING:
    from tests.deployments.scratch import Scratch

ROOT = Path(__file__).parents[2]
SERVICES = ("ml-api", "ml-batch")
OVERLAYS = {"dev": "default", "staging": "staging", "prod": "production"}
HAND = "ml-api-kustomize/overlays/staging/by-hand/limits.yaml"


def patch_of(spec: dict[str, Any], name: str = "ml-api") -> str:
    pod = {"template": {"spec": {"containers": [{"name": "api", **spec}]}}}
    return yaml.safe_dump({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": pod})


def tree_of(scratch: Scratch) -> dict[str, bytes]:
    found = {
        path.relative_to(scratch.root).as_posix(): path.read_bytes()
        for service in SERVICES
        for path in (scratch.root / f"{service}-kustomize").rglob("*")
        if path.is_file()
    }
    assert found
    return found


@pytest.fixture
def there(scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> Scratch:
    monkeypatch.chdir(scratch.root)
    return scratch


def test_what_is_committed_is_up_to_date() -> None:
    assert [str(each) for each in files.check(ROOT)] == [], "run mldeploy overlay build"


@pytest.mark.parametrize("environment", OVERLAYS)
def test_an_overlay_builds_what_the_chart_renders(environment: str) -> None:
    for source in sources(ROOT, SERVICES, [environment]):
        folder = ROOT / f"{source.service}-kustomize" / "overlays" / OVERLAYS[environment]
        (objects,) = parse([kustomize.build(folder)])
        expected = source.targets[environment].objects
        assert len(expected) >= 6
        assert unequal(expected, list(manifested(objects, "nowhere"))) == []


def test_no_secret_is_in_them() -> None:
    kinds = {
        document["kind"]
        for path in ROOT.glob("*-kustomize/**/*.yaml")
        for document in yaml.safe_load_all(path.read_text("utf-8"))
    }
    assert "Deployment" in kinds
    assert "Secret" not in kinds


def test_the_same_is_made_again_from_nothing(there: Scratch) -> None:
    before = tree_of(there)
    assert files.build(there.root, [], Quiet()) == []
    for service in SERVICES:
        shutil.rmtree(there.root / f"{service}-kustomize")
    assert len(files.build(there.root, [], Quiet())) == len(before)
    assert tree_of(there) == before


def test_an_edit_to_values_changes_that_environment_alone(there: Scratch, capsys: pytest.CaptureFixture[str]) -> None:
    there.replace("values/staging/ml-api.yaml", "maxReplicas: 6", "maxReplicas: 9")
    assert cli.main(["overlay", "check"]) == 1
    hpa = "ml-api-kustomize/overlays/staging/hpa.yaml"
    assert f"{hpa}: is out of date" in capsys.readouterr().out
    assert cli.main(["overlay", "build"]) == 0
    assert capsys.readouterr().out == f"{hpa}\n"
    assert there.git("status", "--porcelain", "--", "ml-api-kustomize", "ml-batch-kustomize") == f"M {hpa}"
    assert "  maxReplicas: 9" in there.path(hpa).read_text("utf-8")
    assert cli.main(["overlay", "check"]) == 0


def test_every_feature_of_the_charts_can_be_an_overlay(there: Scratch) -> None:
    """Objects that the base has not, and those that it has and an environment has not: every fixture of the charts."""
    fixtures = {service: sorted((ROOT / "charts" / service / "ci").glob("*-values.yaml")) for service in SERVICES}
    assert min(map(len, fixtures.values())) > 5
    for first in range(0, max(map(len, fixtures.values())), len(OVERLAYS)):
        for number, environment in enumerate(OVERLAYS, first):
            there.write(f"values/{environment}/values.yaml", "image: {tag: x}\n")
            for service in SERVICES:
                chosen = fixtures[service][number % len(fixtures[service])]
                there.write(f"values/{environment}/{service}.yaml", chosen.read_bytes())
        files.build(there.root, [], Quiet())  # proves each overlay equal to its chart, or raises


def test_a_service_that_no_helmfile_has_any_more_is_told_and_removed(
    there: Scratch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = there.path("deployments/base.yaml").read_text("utf-8")
    there.write("deployments/base.yaml", text[: text.index('  - name: "{{ .Values.environment }}-ml-batch"')])
    hand = "ml-batch-kustomize/overlays/staging/by-hand/limits.yaml"
    there.write(hand, patch_of({}, name="ml-batch"))
    assert cli.main(["overlay", "check"]) == 1
    said = capsys.readouterr().out
    assert "ml-batch-kustomize/base/deployment.yaml: was made by mldeploy, but no helmfile has this service" in said
    assert "ml-api-kustomize" not in said
    assert cli.main(["overlay", "build", "ml-api"]) == 0, "which is asked for one service alone"
    assert capsys.readouterr().out == ""
    assert cli.main(["overlay", "build"]) == 0
    captured = capsys.readouterr()
    assert "ml-batch-kustomize/base/deployment.yaml\n" in captured.out
    assert f"{hand}: was written by hand, but no helmfile has this service any more: delete it" in captured.err
    assert [path for path in tree_of(there) if path.startswith("ml-batch")] == [hand]
    assert cli.main(["overlay", "check"]) == 1
    there.path(hand).unlink()
    assert cli.main(["overlay", "check"]) == 0


def test_kustomize_is_asked_again_only_about_what_changed(
    there: Scratch, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def counted(built: dict[str, str], folder: str) -> str:
        asked.append(folder)
        return kustomize.build_files(built, folder)

    monkeypatch.setattr(builds, "build_files", counted)
    assert files.check(there.root) == []
    assert len(asked) == 2 * len(SERVICES) * len(OVERLAYS), "each overlay, without its patches and with them"
    asked.clear()
    assert files.check(there.root) == []
    assert asked == []
    there.replace("values/staging/ml-api.yaml", "maxReplicas: 6", "maxReplicas: 9")
    files.build(there.root, [], Quiet())
    assert asked == ["overlays/staging"]
    assert "maxReplicas: 9" in kustomize.build(there.path("ml-api-kustomize/overlays/staging"))
    asked.clear()
    for path in (own_cache / "builds").glob("??/*"):
        path.write_bytes(path.read_bytes().replace(b"ml-api", b"forged"))
    assert files.check(there.root) == [], "what was damaged is not believed"
    assert asked


def test_a_hand_written_patch_is_kept_and_applied(there: Scratch) -> None:
    there.write(HAND, patch_of({"resources": {"limits": {"memory": "1Gi"}}}))
    files.build(there.root, [], Quiet())
    there.replace("values/staging/ml-api.yaml", "maxReplicas: 6", "maxReplicas: 9")
    files.build(there.root, [], Quiet())
    assert there.path(HAND).read_text("utf-8") == patch_of({"resources": {"limits": {"memory": "1Gi"}}})
    built = list(yaml.safe_load_all(kustomize.build(there.path("ml-api-kustomize/overlays/staging"))))
    (deployment,) = (each for each in built if each["kind"] == "Deployment")
    assert deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"] == "1Gi"
    assert {each["spec"]["maxReplicas"] for each in built if each["kind"] == "HorizontalPodAutoscaler"} == {9}
    there.path(HAND).unlink()
    assert files.build(there.root, [], Quiet()) == ["ml-api-kustomize/overlays/staging/kustomization.yaml"]


def test_a_hand_written_patch_against_the_values_is_told_with_both_places(
    there: Scratch, capsys: pytest.CaptureFixture[str]
) -> None:
    there.append("values/staging/ml-api.yaml", "resources:\n  limits:\n    memory: 600Mi\n")
    line = there.path("values/staging/ml-api.yaml").read_text("utf-8").splitlines().index("    memory: 600Mi") + 1
    there.write(HAND, "# Ours\n" + patch_of({"resources": {"limits": {"memory": "1Gi"}}}))
    before = tree_of(there)
    assert cli.main(["overlay", "build"]) == 1
    said = capsys.readouterr().err
    assert f"{HAND}:13:13: sets spec.template.spec.containers[api].resources.limits.memory of Deployment ml-api" in said
    assert f"and so does values/staging/ml-api.yaml:{line} (resources.limits.memory)" in said
    assert tree_of(there) == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (patch_of({"image": "x"}, name="ml-gone"), "ml-gone"),
        ("a: [", "limits.yaml:1:"),
        ("a: 1\n", "says not which object it is for"),
        (patch_of({}) + "---\n" + patch_of({}), "holds several documents"),
    ],
)
def test_a_broken_hand_written_patch(text: str, said: str, there: Scratch, capsys: pytest.CaptureFixture[str]) -> None:
    there.write(HAND, text)
    before = tree_of(there)
    assert cli.main(["overlay", "build"]) == 2
    assert said in capsys.readouterr().err
    assert tree_of(there) == before


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["build", "ml-ap"], 2, "no such service: ml-ap\n  -> did you mean 'ml-api'?"),
        (["chart", "ml-api", "prd"], 2, "no such environment: prd\n  -> did you mean 'prod'?"),
        (
            ["chart", "ml-api", "production"],
            2,
            "production\n  -> production is the overlay of prod",
        ),
        (["clean", "ml-api", "default"], 2, "no such environment: default\n  -> default is the overlay of dev"),
        (["chart", "../../etc", "staging"], 3, "'../../etc': no name of a service"),
        (["chart", "ml-api", "../x"], 3, "'../x': no name of a service or an environment"),
        (["clean", "/etc", "staging"], 3, "'/etc': no name of a service"),
        (["clean", "ml-gone", "staging"], 2, "deployments/kustomize/ml-gone: is no chart"),
    ],
)
def test_names_that_are_none(
    words: list[str], code: int, said: str, there: Scratch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["overlay", *words]) == code
    assert said in capsys.readouterr().err
    assert there.git("status", "--porcelain") == ""


def test_an_edited_file_is_told_with_what_to_do(there: Scratch, capsys: pytest.CaptureFixture[str]) -> None:
    there.append("ml-api-kustomize/base/deployment.yaml", "# mine\n")
    for words, code in ((["chart", "ml-api", "staging"], 3), (["build"], 3), (["check"], 1)):
        assert cli.main(["overlay", *words]) == code
        captured = capsys.readouterr()
        assert "ml-api-kustomize/base/deployment.yaml: was edited by hand" in captured.out + captured.err
        assert ("look at what people wrote" if code == 1 else "then delete the file") in captured.err


def test_two_releases_of_one_service_are_refused(there: Scratch, capsys: pytest.CaptureFixture[str]) -> None:
    twin = (
        'chart: "{{ .Values.root }}/charts/ml-api"\n    inherit: [template: service]\n    labels: {service: ml-api}\n'
    )
    there.append("deployments/base.yaml", f'  - name: "{{{{ .Values.environment }}}}-ml-api-two"\n    {twin}')
    before = tree_of(there)
    assert cli.main(["overlay", "build"]) == 2
    assert "dev: dev-ml-api and dev-ml-api-two are both the service ml-api" in capsys.readouterr().err
    assert tree_of(there) == before


@pytest.mark.parametrize(
    ("hook", "said"),
    [("pre-upgrade", "is a hook of Helm, which kustomize cannot run"), ("test", "")],
)
def test_hooks_of_helm(hook: str, said: str, there: Scratch, capsys: pytest.CaptureFixture[str]) -> None:
    there.write(
        "charts/ml-api/templates/job.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Release.Name }}-job\n"
        f"  annotations: {{helm.sh/hook: {hook}}}\n",
    )
    assert cli.main(["overlay", "check", "ml-api"]) == (2 if said else 0)
    assert said in capsys.readouterr().err


def test_a_secret_is_refused(there: Scratch, capsys: pytest.CaptureFixture[str]) -> None:
    there.write(
        "charts/ml-api/templates/secret.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: {{ .Release.Name }}}\nstringData: {key: c2VjcmV0LXZhbHVl}\n",
    )
    before = tree_of(there)
    assert cli.main(["overlay", "build"]) == 3
    said = capsys.readouterr().err
    assert "templates/secret.yaml renders a Secret" in said
    assert "c2VjcmV0LXZhbHVl" not in said
    assert tree_of(there) == before


@pytest.mark.parametrize(
    ("state", "said"), [("missing", "kustomize v5.8.1 is not installed"), ("other", "run mldeploy tools install")]
)
def test_without_the_pinned_kustomize_nothing_is_written(
    state: str, said: str, there: Scratch, own_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tools = (own_cache / "tools").resolve()
    (own_cache / "tools").unlink()
    (own_cache / "tools").mkdir()
    for each in tools.iterdir():
        if each.name != "kustomize":
            (own_cache / "tools" / each.name).symlink_to(each)
    if state == "other":
        shutil.copytree(tools / "kustomize", own_cache / "tools" / "kustomize", symlinks=True)
        for program in (own_cache / "tools" / "kustomize").rglob("kustomize"):
            if program.is_file():
                program.chmod(0o755)
                program.write_bytes(b"#!/bin/sh\necho another\n")
    there.replace("values/staging/ml-api.yaml", "maxReplicas: 6", "maxReplicas: 9")
    before = tree_of(there)
    assert cli.main(["overlay", "build", "ml-api"]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "helmfile" not in err, "it is no fault of the helmfiles"
    assert tree_of(there) == before
    assert paths.cache() == own_cache
