"""What the fixtures render fits the schemas of the API server and of the operators whose kinds it uses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mldeploy.check import crds, openapi
from mldeploy.check.conform import conform
from mldeploy.check.schemas import api_schemas, stored_schemas

ROOT = Path(__file__).parents[2]
OTHERS = {
    "ml-api": {"ExternalSecret", "HTTPRoute", "VirtualService", "ServiceMonitor", "PrometheusRule"},
    "ml-batch": {"ExternalSecret", "ScaledObject", "ServiceMonitor", "PrometheusRule"},
}


@pytest.mark.parametrize("chart", OTHERS)
def test_every_fixture_fits_its_schemas(chart: str, manifests: Callable[..., list[dict[str, Any]]]) -> None:
    fixtures = sorted((ROOT / "charts" / chart / "ci").glob("*-values.yaml"))
    assert fixtures
    objects = [(path.name, each) for path in fixtures for each in manifests(chart, path)]
    assert OTHERS[chart] <= {each["kind"] for _, each in objects}
    schemas = [api_schemas(openapi.minors()[-1]), stored_schemas(crds.stored(ROOT / crds.FOLDER))]
    judged = conform([each for _, each in objects], schemas)
    assert [
        f"{name}: {each['kind']}: {problem.message}"
        for (name, each), problems in zip(objects, judged, strict=True)
        for problem in problems
    ] == []
