"""What is made of other people's modules: up to date, as wide as the pins say, and made right."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from mldeploy.check import crds, openapi, published
from mldeploy.errors import MldeployError

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / crds.FOLDER
SOURCE = crds.Source("things", "example.com/things", "v1.2.3", ("crds/*.yaml",))
DIGEST = "h1:AAAA="


def crd(kind: str, **schema: Any) -> dict[str, Any]:
    plural = f"{kind.lower()}s"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.example.com", "annotations": {"made-by": "a generator"}},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "additionalPrinterColumns": [{"name": "Age", "type": "date", "jsonPath": ".a"}],
                    "schema": {"openAPIV3Schema": {"type": "object", "description": "long", **schema}},
                }
            ],
        },
    }


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """A module's files, as they would be fetched."""
    described = {"properties": {"description": {"type": "string", "description": "what it is"}}}
    (tmp_path / "crds").mkdir()
    (tmp_path / "crds" / "all.yaml").write_text(yaml.safe_dump_all([crd("Thing", **described), crd("Other")]), "utf-8")
    return tmp_path


def test_nothing_here_is_stale() -> None:
    assert published.stale(ROOT) == []
    assert crds.sources(FOLDER)
    assert {openapi.document(minor) for minor in openapi.minors()} == set(openapi.sources())


def test_versions_are_those_of_the_tools() -> None:
    pins = tomllib.loads((ROOT / "scripts" / "toolchain" / "tools.toml").read_text("utf-8"))
    pinned = {pin["package"]: pin["version"] for pin in pins.values() if "version" in pin}
    for source in crds.sources(FOLDER):
        same = {version for package, version in pinned.items() if f"{package}/".startswith(f"{source.module}/")}
        assert same <= {source.version}, source.name
    newest = openapi.document(openapi.minors()[-1])
    kubectl = pins["kubectl"]["version"]
    assert openapi.sources()[newest].rpartition(".")[0] == kubectl.rpartition(".")[0]


def test_what_is_made_has_what_schemas_need_and_says_of_what(module: Path) -> None:
    text = crds.made(SOURCE, module, DIGEST)
    assert text.startswith(
        "# Made by `mldeploy schema --published` from example.com/things v1.2.3 (h1:AAAA=).\n# sha256:"
    )
    other, thing = yaml.safe_load_all(text)
    assert (other["spec"]["names"]["kind"], thing["spec"]["names"]["kind"]) == ("Other", "Thing")
    assert thing["metadata"] == {"name": "things.example.com"}
    # A field of that name stays; what describes it goes.
    assert thing["spec"]["versions"] == [
        {
            "name": "v1",
            "served": True,
            "storage": True,
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {"description": {"type": "string"}}}},
        }
    ]


def test_a_file_is_stale_when_anything_of_it_changes(module: Path, tmp_path: Path) -> None:
    folder = tmp_path / "checkout"
    folder.mkdir()
    sources = f'[things]\nmodule = "{SOURCE.module}"\nversion = "v1.2.3"\nfiles = ["crds/*.yaml"]\n'
    (folder / "sources.toml").write_text(sources, "utf-8")
    path = folder / "things.yaml"
    assert [found for found, _ in crds.stale(folder)] == [path]
    text = crds.made(SOURCE, module, DIGEST)
    path.write_text(text, "utf-8")
    assert crds.stale(folder) == []
    for edited in (text.replace("Namespaced", "Cluster"), text.replace("AAAA", "BBBB").replace("v1.2.3", "v1.2.4"), ""):
        path.write_text(edited, "utf-8")
        assert crds.stale(folder), edited[:80]
    path.write_text(text, "utf-8")
    for changed in (sources.replace("v1.2.3", "v1.2.4"), f'{sources}kinds = ["Thing"]\n'):
        (folder / "sources.toml").write_text(changed, "utf-8")
        assert crds.stale(folder), changed


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"files": ("nowhere/*.yaml",)}, "has no CRD in nowhere"),
        ({"kinds": ("Thing", "Missing")}, "has no CRD of Missing"),
    ],
)
def test_what_a_module_has_not_is_said(changes: dict[str, Any], message: str, module: Path) -> None:
    with pytest.raises(MldeployError, match=message):
        crds.made(crds.Source(**{**SOURCE.__dict__, **changes}), module, DIGEST)


@pytest.mark.parametrize(
    ("text", "message"),
    [("[a\n", "sources.toml"), ("[a]\nmodul = 1\n", "unknown key 'modul'"), ('[a]\nmodule = "x"\n', "missing")],
)
def test_a_wrong_table_is_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "sources.toml").write_text(text, "utf-8")
    with pytest.raises(MldeployError, match=message):
        crds.sources(tmp_path)


def test_a_description_joins_what_the_module_says_in_two_places() -> None:
    kind = {"group": "apps", "version": "v1", "kind": "Thing"}
    models = {
        "k8s.io/api/apps/v1.Thing": {
            "description": "long",
            "properties": {"spec": {"$ref": "#/definitions/k8s.io~1api~1apps~1v1.Spec"}},
        },
        "k8s.io/api/apps/v1.Spec": {"properties": {"mode": {"type": "string", "enum": ["a", "b"]}}},
        "k8s.io/api/apps/v1beta1.Thing": {},
        "k8s.io/kubelet/config/v1.Inner": {},
    }
    published_ = {
        "io.k8s.api.apps.v1.Thing": {"x-kubernetes-group-version-kind": [kind]},
        "io.k8s.api.apps.v1.Spec": {},
        "io.k8s.api.apps.v1beta1.Thing": {"x-kubernetes-group-version-kind": [{**kind, "version": "v1beta1"}]},
    }
    source = {"module": "k8s.io/kubernetes", "version": "v1.0.0", "digest": DIGEST}
    assert json.loads(openapi.compact(openapi.joined(models, published_), source)) == {
        "x-source": source,
        "io.k8s.api.apps.v1.Spec": {"properties": {"mode": {"type": "string", "enum": ["a", "b"]}}},
        "io.k8s.api.apps.v1.Thing": {
            "properties": {"spec": {"$ref": "#/definitions/io.k8s.api.apps.v1.Spec"}},
            "x-kubernetes-group-version-kind": [kind],
        },
    }


def test_a_checkout_s_own_crds_need_no_table(tmp_path: Path) -> None:
    shutil.copy(FOLDER / "external-secrets.yaml", tmp_path)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(crd("Mine")), "utf-8")
    assert crds.stale(tmp_path) == []
    kinds = {each["spec"]["names"]["kind"] for each in crds.read(crds.stored(tmp_path))}
    assert {"Mine", "ExternalSecret", "SecretStore", "ClusterSecretStore"} <= kinds
