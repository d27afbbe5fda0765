"""What deployments/published offers beside: off by default, whole when it is on. No repository is reached."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from mldeploy import process

Helmfile = Callable[..., process.Completed]
FOLDER = Path("deployments") / "published"
OPERATORS, ADDONS = FOLDER / "operators.yaml", FOLDER / "addons.yaml"
# The key of each in addons-enabled.yaml, and its releases.
OFFERED = {
    "argoCd": {"argo-cd"},
    "ingressNginx": {"ingress-nginx"},
    "istio": {"istio-base", "istiod"},
    "kubePrometheusStack": {"kube-prometheus-stack"},
    "loki": {"loki"},
    "opentelemetryCollector": {"opentelemetry-collector"},
    "tempo": {"tempo"},
}
each_key = pytest.mark.parametrize("key", OFFERED)


def releases(helmfile: Helmfile, file: Path, *arguments: str) -> dict[str, dict[str, Any]]:
    found = json.loads(helmfile("--file", file, *arguments, "list", "--output", "json").stdout)
    return {release["name"]: release for release in found}


def declared(root: Path, file: Path) -> dict[str, dict[str, Any]]:
    *_, last = yaml.safe_load_all((root / file).read_text("utf-8"))
    return {release["name"]: release for release in last["releases"]}


def switched_on(key: str) -> tuple[str, str]:
    return ("--state-values-set", f"{key}.enabled=true")


def test_everything_offered_is_off(helmfile: Helmfile, root: Path) -> None:
    found = releases(helmfile, ADDONS)
    assert set(found) == set().union(*OFFERED.values())
    assert not [name for name, release in found.items() if release["enabled"]]
    switches = yaml.safe_load((root / FOLDER / "addons-enabled.yaml").read_text("utf-8"))
    assert switches == {key: {"enabled": False} for key in OFFERED}


@each_key
def test_each_is_switched_on_alone(key: str, helmfile: Helmfile) -> None:
    found = releases(helmfile, ADDONS, *switched_on(key))
    assert {name for name, release in found.items() if release["enabled"]} == OFFERED[key]


@each_key
def test_only_a_repository_that_is_wanted_is_asked(key: str, helmfile: Helmfile, root: Path) -> None:
    built = helmfile("--file", ADDONS, *switched_on(key), "build").stdout
    *_, state = yaml.safe_load_all(built)
    wanted = {declared(root, ADDONS)[name]["chart"].partition("/")[0] for name in OFFERED[key]}
    assert {repository["name"] for repository in state["repositories"]} == wanted
    assert all(repository["url"].startswith("https://") for repository in state["repositories"])


def test_no_repository_is_asked_for_what_is_off(helmfile: Helmfile) -> None:
    assert "\nrepositories:" not in helmfile("--file", ADDONS, "build").stdout


def test_the_kinds_of_prometheus_come_before_what_uses_them(helmfile: Helmfile, root: Path) -> None:
    # Helm installs what is in a chart's crds/ once and never again: as a release of their own they are upgraded.
    on = releases(helmfile, OPERATORS, *switched_on("kubePrometheusStack"))
    assert on["prometheus-operator-crds"]["enabled"]
    assert not releases(helmfile, OPERATORS)["prometheus-operator-crds"]["enabled"]
    values = yaml.safe_load((root / FOLDER / "values" / "kube-prometheus-stack.yaml").read_text("utf-8"))
    assert values["crds"] == {"enabled": False}
    text = (root / FOLDER / "helmfile.yaml").read_text("utf-8")
    assert text.index("operators.yaml") < text.index("addons.yaml")


@pytest.mark.parametrize("file", [OPERATORS, ADDONS], ids=lambda path: path.stem)
def test_every_release_is_pinned_labelled_and_has_its_values(file: Path, root: Path) -> None:
    found = declared(root, file)
    assert found
    text = (root / file).read_text("utf-8")
    for name, release in found.items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", release["version"]), name
        hint = rf"# renovate: datasource=helm depName=\S+ registryUrl=https://\S+\n    version: {release['version']}\n"
        assert re.search(hint, text), f"{name}: its version has no hint"
        assert release["labels"].keys() == {"service", "environment", "tier"}
        assert release["labels"]["service"] == name
        assert release["inherit"] == [{"template": "guarded"}]
        assert release["condition"].endswith(".enabled")
        for needed in release.get("needs", []):
            namespace, _, other = needed.partition("/")
            assert found[other]["namespace"] == namespace
        for layer in release.get("values", []):
            path = root / FOLDER / layer
            assert path.is_file(), f"{name}: {layer}"
            if path.suffix == ".yaml":
                assert isinstance(yaml.safe_load(path.read_text("utf-8")), dict), layer


def test_every_values_file_belongs_to_a_release(root: Path) -> None:
    used = {
        # An expression chooses one of several files.
        re.sub(r"\{\{.*?\}\}", "*", Path(layer).name)
        for file in (OPERATORS, ADDONS, FOLDER / "stores.yaml")
        for release in declared(root, file).values()
        for layer in release.get("values", [])
    }
    names = [path.name for path in (root / FOLDER / "values").iterdir()]
    assert [name for name in names if not any(fnmatch(name, one) for one in used)] == []
    assert [one for one in used if not any(fnmatch(name, one) for name in names)] == []
