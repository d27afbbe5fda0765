"""Every road comes to the same objects, and a difference seeded into any of them is found at its path."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mldeploy.cli import main as cli
from mldeploy.overlay.stamp import stamp
from mldeploy.parity.parity import parity
from mldeploy.parity.roads import ROADS

if TYPE_CHECKING:
    from tests.deployments.scratch import Scratch

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ("dev", "staging", "prod")
SERVICES = ("ml-api", "ml-batch")
ARGOCD = "gitops/argocd/sources"


@pytest.fixture
def there(scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> Scratch:
    monkeypatch.chdir(scratch.root)
    return scratch


def test_every_road_deploys_the_same() -> None:
    results = parity(ROOT)
    assert len({road.name for road in ROADS}) == len(ROADS) >= 6
    assert {(each.road.name, each.environment, each.service) for each in results} == {
        (road.name, environment, service) for road in ROADS for environment in ENVIRONMENTS for service in SERVICES
    }
    assert [each for each in results if each.error or each.differences] == []
    assert all(each.objects >= 6 for each in results)


@pytest.mark.parametrize(
    ("file", "edit", "road", "found"),
    [
        (
            "ml-api-kustomize/overlays/production/hpa.yaml",
            ("minReplicas: 3", "minReplicas: 4"),
            "overlay",
            "HorizontalPodAutoscaler prod-ml-api: ~ spec.minReplicas: 3 -> 4",
        ),
        (
            "ml-api-kustomize/overlays/production/kustomization.yaml",
            ("  - path: pdb.yaml\n", ""),
            "overlay",
            "PodDisruptionBudget prod-ml-api: - spec.minAvailable: 2",
        ),
        (
            "ml-api-kustomize/base/kustomization.yaml",
            ("  - pdb.yaml\n", ""),
            "overlay",
            "",
        ),
        (
            f"{ARGOCD}/chart/source.yaml",
            ('- "/values/{{ .values.environment }}/{{ .service }}.yaml"', '- "/values/staging/{{ .service }}.yaml"'),
            "argocd-chart",
            "HorizontalPodAutoscaler prod-ml-api: ~ spec.minReplicas: 3 -> 2",
        ),
        (
            f"{ARGOCD}/chart/source.yaml",
            ('releaseName: "{{ .values.environment }}-{{ .service }}"', 'releaseName: "{{ .service }}"'),
            "argocd-chart",
            "Service prod-ml-api: is missing",
        ),
        (
            f"{ARGOCD}/rendered/source.yaml",
            ('path: "{{ .values.environment }}/{{ .service }}"', 'path: "staging/{{ .service }}"'),
            "argocd-rendered",
            "",
        ),
        (
            f"{ARGOCD}/rendered/source.yaml",
            ('path: "{{ .values.environment }}/{{ .service }}"', 'path: "{{ .values.environment }}"'),
            "argocd-rendered",
            "Deployment prod-ml-batch: is one too many",
        ),
        (
            "gitops/flux/sources/chart/prod/kustomization.yaml",
            ("value: ./values/prod/ml-api.yaml", "value: ./values/staging/ml-api.yaml"),
            "flux-chart",
            "HorizontalPodAutoscaler prod-ml-api: ~ spec.minReplicas: 3 -> 2",
        ),
        (
            "gitops/flux/sources/rendered/prod/kustomization.yaml",
            ("value: ./prod/ml-api", "value: ./prod/ml-batch"),
            "flux-rendered",
            "Deployment prod-ml-batch: is one too many",
        ),
        (
            "gitops/flux/sources/rendered/prod/kustomization.yaml",
            ("/spec/targetNamespace, value: prod", "/spec/targetNamespace, value: dev"),
            "flux-rendered",
            "",
        ),
    ],
)
def test_a_seeded_difference_is_found_at_its_path(
    file: str, edit: tuple[str, str], *, road: str, found: str, there: Scratch, capsys: pytest.CaptureFixture[str]
) -> None:
    there.replace(file, *edit)
    code = cli.main(["parity", "--environment", "prod", "--service", "ml-api"])
    lines = capsys.readouterr().out.splitlines()
    assert code == (1 if found else 2)
    wrong = [line for line in lines if line.startswith(("~", "!"))]
    assert [line.split()[1] for line in wrong] == [road]
    assert found in "\n".join(lines)


def test_a_patch_by_hand_is_a_difference(there: Scratch, capsys: pytest.CaptureFixture[str]) -> None:
    there.write(
        "ml-api-kustomize/overlays/production/by-hand/limits.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: ml-api}\nspec: {sessionAffinity: ClientIP}\n",
    )
    assert cli.main(["overlay", "build"]) == 0
    capsys.readouterr()
    assert cli.main(["parity", "--environment", "prod", "--service", "ml-api"]) == 1
    out = capsys.readouterr().out
    assert out.count('Service prod-ml-api: + spec.sessionAffinity: "ClientIP"') == 2
    assert [line.split()[1] for line in out.splitlines() if line.startswith("~")] == ["overlay", "helmify"]


SERVICE = '"charts/{{ .service }}"'


@pytest.mark.parametrize(
    ("file", "edit", "said"),
    [
        (f"{ARGOCD}/chart/source.yaml", (SERVICE, '"charts/{{ .nope }}"'), "'{{ .nope }}' is not understood"),
        (f"{ARGOCD}/chart/source.yaml", (SERVICE, '"charts/gone"'), "charts/gone"),
        (
            "gitops/argocd/services/applications.yaml",
            ("{service: ml-api, tier: online}", "{service: x, tier: y}"),
            "makes no Application of ml-api in prod",
        ),
        (
            "deployments/kustomize/ml-api/Chart.yaml",
            ("name: ml-api\n", "name: other\n"),
            "scripts/helmify build other prod",
        ),
    ],
)
def test_a_road_that_cannot_be_walked_is_an_error(
    file: str, edit: tuple[str, str], said: str, *, there: Scratch, capsys: pytest.CaptureFixture[str]
) -> None:
    there.replace(file, *edit)
    assert cli.main(["parity", "--environment", "prod", "--service", "ml-api"]) == 2
    assert said in capsys.readouterr().out


def test_an_edited_patch_is_found_though_its_mark_was_forged(there: Scratch) -> None:
    """Parity trusts no mark: it looks at what is built."""
    path = there.path("ml-api-kustomize/overlays/staging/hpa.yaml")
    first, body = path.read_text("utf-8").split("\n", 1)
    there.write(
        "ml-api-kustomize/overlays/staging/hpa.yaml",
        stamp(first[2:].rpartition(" sha256:")[0], body.replace("maxReplicas: 6", "maxReplicas: 60")),
    )
    (found,) = (
        each for each in parity(there.root, wanted=["staging"], services=["ml-api"]) if each.road.name == "overlay"
    )
    assert found.differences == ("HorizontalPodAutoscaler staging-ml-api: ~ spec.maxReplicas: 6 -> 60",)
