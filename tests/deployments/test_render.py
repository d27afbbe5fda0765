"""Renders are the bytes of `helmfile template`, whatever a release uses, and whatever state the cache is in."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mldeploy import process
from mldeploy.errors import MldeployError
from mldeploy.render import Rendered, Selector, environments, list_releases, parse, render
from mldeploy.toolchain import tool, tool_environment

if TYPE_CHECKING:
    from tests.deployments.scratch import Scratch

ROOT = Path(__file__).parents[2]
EVERY_FEATURE = """
kubeVersion: v1.33.0
apiVersions: [example.com/v1]
environments:
  dev:
    values: [environment: dev, first: {enabled: true}, second: {enabled: false}]
---
templates:
  service:
    chart: ./chart
    namespace: "{{ .Environment.Name }}"
    labels: {service: web}
releases:
  - name: plain
    inherit: [template: service]
    values: [values/a.yaml, values/b.yaml]
  - name: settings
    inherit: [template: service]
    values: [values/a.yaml]
    set: [{name: message, value: "1e3"}]
  - name: inline
    inherit: [template: service]
    values: [values/a.yaml, {message: "no", number: 010}]
  - name: template
    inherit: [template: service]
    values: [values/c.yaml.gotmpl]
  - name: optional
    inherit: [template: service]
    missingFileHandler: Warn
    values: [values/absent.yaml, values/b.yaml]
  - name: wanted
    inherit: [template: service]
    condition: first.enabled
  - name: unwanted
    inherit: [template: service]
    condition: second.enabled
  - name: gone
    inherit: [template: service]
    installed: false
  - name: lax
    inherit: [template: service]
    skipSchemaValidation: true
    values: [{undeclared: true}]
"""
TEMPLATE = """
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
  namespace: {{ .Release.Namespace }}
data:
  message: {{ .Values.message | quote }}
  number: {{ .Values.number | quote }}
  kube: {{ .Capabilities.KubeVersion.Version }}
  api: {{ .Capabilities.APIVersions.Has "example.com/v1" | quote }}
  helm: {{ .Capabilities.HelmVersion.Version }}
  undeclared: {{ .Values.undeclared | quote }}
---
apiVersion: v1
kind: Pod
metadata:
  name: {{ .Release.Name }}-test
  annotations: {helm.sh/hook: test}
"""
SCHEMA = '{"type": "object", "properties": {"message": {}, "number": {}, "global": {}}, "additionalProperties": false}'


def small_checkout(root: Path) -> Path:
    """Write a checkout whose releases use one feature of helmfile each."""
    files = {
        "helmfile.yaml": EVERY_FEATURE,
        "deployments/base.yaml": "{}\n",
        "chart/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
        "chart/values.yaml": "message: default\nnumber: 1\n",
        "chart/values.schema.json": SCHEMA,
        "chart/templates/all.yaml": TEMPLATE,
        "chart/crds/crd.yaml": "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n"
        "metadata: {name: xs.example.com}\n",
        "values/a.yaml": "message: on\nnumber: 12345678\n",
        "values/b.yaml": "message: 12:30\n---\nnumber: 0o17\n",
        "values/c.yaml.gotmpl": 'message: {{ .Release.Name | quote }}\nnumber: {{ "7" }}\n',
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    return root


def by_helmfile(root: Path, *arguments: str) -> str:
    argv: list[str | Path] = [tool("helmfile"), "--quiet", *arguments]
    return process.run(argv, timeout_s=120, cwd=root, env=tool_environment(root)).stdout


def rendered(root: Path, environment: str, **choices: bool) -> list[Rendered]:
    (listing,) = list_releases(root, [environment])
    assert not listing.error
    assert listing.releases
    found = render(root, listing.releases, **choices)
    assert [each.error for each in found] == [""] * len(found)
    return found


def together(found: list[Rendered]) -> str:
    # helmfile ends the output of each helm process with an empty line of its own.
    return "".join(f"{each.manifest}\n" for each in found)


@pytest.mark.parametrize("environment", environments(ROOT))
def test_every_release_is_what_helmfile_templates(environment: str) -> None:
    found = rendered(ROOT, environment)
    assert all(not each.release.special for each in found), "this repository's releases need no helmfile to render"
    assert together(found) == by_helmfile(ROOT, "--environment", environment, "template", "--skip-deps")


@pytest.mark.parametrize("environment", environments(ROOT))
def test_an_environments_own_helmfile_gives_the_same(environment: str) -> None:
    file = Path("deployments") / environment / "helmfile.yaml"
    (listing,) = list_releases(ROOT, [environment], file=file)
    assert together(render(ROOT, listing.releases)) == by_helmfile(ROOT, "--file", str(file), "template", "--skip-deps")


@pytest.mark.parametrize("crds", [False, True])
def test_every_feature_is_rendered_as_helmfile_does(tmp_path: Path, own_cache: Path, crds: bool) -> None:
    root = small_checkout(tmp_path / "small")
    options = ["--include-crds"] if crds else []
    expected = by_helmfile(root, "--environment", "dev", "template", "--skip-deps", *options)
    for _ in range(2):  # from nothing, and from the cache
        found = rendered(root, "dev", include_crds=crds, objects=True)
        assert together(found) == expected
    assert [each.release.name for each in found if not each.release.special] == ["plain", "optional", "wanted"]
    assert {each.release.name: len(each.objects) for each in found} == dict.fromkeys(
        ["plain", "settings", "inline", "template", "optional", "wanted", "lax"], 3 if crds else 2
    )
    plain = found[0].objects[-2].data
    assert plain["data"] == {
        "message": "12:30",
        "number": "15",
        "kube": "v1.33.0",
        "api": "true",
        "helm": "v4.3.1",
        "undeclared": None,
    }
    assert parse([found[0].manifest]) == [found[0].objects]


def test_a_release_that_does_not_render_leaves_the_others(tmp_path: Path, own_cache: Path) -> None:
    root = small_checkout(tmp_path / "small")
    (root / "values" / "a.yaml").write_bytes(b"\x00\xff\xfe binary garbage")
    (listing,) = list_releases(root, ["dev"])
    found = {each.release.name: each for each in render(root, listing.releases)}
    assert "values/a.yaml" in found["plain"].error
    assert found["plain"].manifest == ""
    assert found["settings"].error
    assert found["optional"].manifest
    (root / "values" / "a.yaml").unlink()
    assert "no such file" in {e.release.name: e.error for e in render(root, listing.releases)}["plain"]


def entries(cache: Path) -> list[Path]:
    return [path for path in sorted((cache / "renders").glob("*/*")) if path.is_file()]


@pytest.mark.parametrize(
    "damage",
    [b"", b"\n", b"mldeploy-render 1 00\nmanifest", b"mldeploy-render 0 00\n", os.urandom(4096)],
    ids=["empty", "no header", "wrong hash", "other format", "noise"],
)
def test_a_damaged_cache_is_noticed_and_rebuilt(tmp_path: Path, own_cache: Path, damage: bytes) -> None:
    root = small_checkout(tmp_path / "small")
    whole = rendered(root, "dev", objects=True)
    kept = {path: path.read_bytes() for path in entries(own_cache)}
    assert kept
    for path in kept:
        path.write_bytes(damage)
    for path in (own_cache / "states").glob("*/*"):
        path.write_bytes(damage)
    assert rendered(root, "dev", objects=True) == whole
    assert {path: path.read_bytes() for path in entries(own_cache)} == kept


def test_a_cache_entry_that_was_altered_is_not_believed(tmp_path: Path, own_cache: Path) -> None:
    root = small_checkout(tmp_path / "small")
    whole = rendered(root, "dev")
    for path in entries(own_cache):
        path.write_bytes(path.read_bytes().replace(b"ConfigMap", b"ConfigMaq"))
    assert rendered(root, "dev") == whole


@pytest.mark.parametrize("kind", ["Secret", '"Secret"', "Secret # with a comment"])
def test_a_manifest_with_a_secret_stays_out_of_the_cache(tmp_path: Path, own_cache: Path, kind: str) -> None:
    root = small_checkout(tmp_path / "small")
    secret = f"apiVersion: v1\nkind: {kind}\nmetadata: {{name: a}}\nstringData: {{a: planted-in-a-secret}}\n"
    (root / "chart/templates/secret.yaml").write_text(secret)
    found = rendered(root, "dev", objects=True)
    assert all("planted-in-a-secret" in each.manifest for each in found)
    assert all("Secret" in [one.data["kind"] for one in each.objects] for each in found)
    for path in own_cache.rglob("*"):
        if path.is_file() and "tools" not in path.relative_to(own_cache).parts:
            assert b"planted-in-a-secret" not in path.read_bytes(), path


def test_processes_share_the_cache(tmp_path: Path, own_cache: Path) -> None:
    root = small_checkout(tmp_path / "small")
    results: list[list[Rendered]] = []
    threads = [threading.Thread(target=lambda: results.append(rendered(root, "dev"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(each == results[0] for each in results)
    assert not [path for path in entries(own_cache) if path.name.startswith(".new-")]


def test_a_cache_that_cannot_be_written_costs_only_time(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = small_checkout(tmp_path / "small")
    whole = rendered(root, "dev")
    for name in ("renders", "states"):
        (own_cache / name).rename(own_cache / f"{name}.gone")
        (own_cache / name).write_text("not a folder")
    assert rendered(root, "dev") == whole


def test_the_state_is_asked_for_again_when_a_file_that_made_it_changes(tmp_path: Path, own_cache: Path) -> None:
    root = small_checkout(tmp_path / "small")
    text = EVERY_FEATURE.replace(
        "[environment: dev, first: {enabled: true}, second: {enabled: false}]", "[settings/dev.yaml]"
    )
    (root / "helmfile.yaml").write_text(text)
    (root / "settings").mkdir()
    (root / "settings" / "dev.yaml").write_text("environment: dev\nfirst: {enabled: true}\nsecond: {enabled: false}\n")
    assert "unwanted" not in [each.release.name for each in rendered(root, "dev")]
    (root / "settings" / "dev.yaml").write_text("environment: dev\nfirst: {enabled: false}\nsecond: {enabled: true}\n")
    names = [each.release.name for each in rendered(root, "dev")]
    assert "unwanted" in names
    assert "wanted" not in names


def test_a_state_that_reads_the_world_is_not_cached(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = small_checkout(tmp_path / "small")
    (root / "helmfile.yaml").write_text(EVERY_FEATURE.replace('"{{ .Environment.Name }}"', "'{{ env \"SPACE\" }}'"))
    for name in ("one", "two"):
        monkeypatch.setenv("SPACE", name)
        assert {each.release.namespace for each in rendered(root, "dev")} == {name}


@pytest.mark.parametrize("text", ["environments:\n  dev:\n    secrets: []\n", "# values: ref+echo://planted\n"])
def test_a_state_with_secrets_is_not_cached(tmp_path: Path, own_cache: Path, text: str) -> None:
    root = small_checkout(tmp_path / "small")
    (root / "deployments" / "other.yaml").write_text(text)
    assert rendered(root, "dev")
    assert not (own_cache / "states").exists()


def test_a_helmfile_that_does_not_parse_names_its_place(scratch: Scratch) -> None:
    scratch.write("deployments/staging/environment.yaml", "a: [unclosed\n")
    good, bad = list_releases(scratch.root, ["dev", "staging"])
    assert good.releases
    assert not good.error
    assert not bad.releases
    assert "staging/environment.yaml" in bad.error


def test_an_unknown_environment_is_an_error_with_a_hint() -> None:
    with pytest.raises(MldeployError, match="no such environment: prdo; did you mean 'prod'"):
        environments(ROOT, ["prdo"])
    assert environments(ROOT, ["prod", "dev"]) == ["dev", "prod"]


def test_selectors_select_what_helmfiles_do() -> None:
    (listing,) = list_releases(ROOT, ["prod"])
    for texts in (
        ["service=ml-api"],
        ["service!=ml-api"],
        ["tier=batch,environment=prod"],
        ["service=ml-api", "tier=batch"],
    ):
        selector = Selector.parse(texts)
        ours = [each.name for each in listing.releases if selector.matches(each.labels)]
        words = [word for text in texts for word in ("--selector", text)]
        theirs = by_helmfile(ROOT, "--environment", "prod", *words, "list", "--output", "json")
        assert ours
        assert all(f'"name":"{name}"' in theirs for name in ours)
        assert theirs.count('"name":') == len(ours)


@pytest.mark.parametrize("text", ["", "service", "service=", "=ml-api", "a==b", "a=b,,c=d"])
def test_what_is_no_selector_is_refused(text: str) -> None:
    with pytest.raises(MldeployError, match="is no selector"):
        Selector.parse([text])
