"""Merging and coalescing against Helm's own, on generated layers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mldeploy.values.coalesce import Defaults, coalesce
from mldeploy.values.reader import merge, parse
from tests.charts.dialect import Dialect, same

_KEYS = st.sampled_from(["a", "b", "c", "global"])
_LEAVES: st.SearchStrategy[Any] = st.sampled_from([None, 1, "x", [1], [], {}])
_LAYER = st.recursive(
    st.dictionaries(_KEYS, _LEAVES, max_size=3),
    lambda inner: st.dictionaries(_KEYS, inner | _LEAVES, max_size=3),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def dialect() -> Iterator[Dialect]:
    program = Dialect()
    yield program
    program.close()


@settings(
    max_examples=800, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(layers=st.lists(_LAYER, min_size=2, max_size=4))
def test_layers_coalesce_as_in_helm(dialect: Dialect, layers: list[dict[str, Any]]) -> None:
    texts = [json.dumps(layer).encode() for layer in layers]
    helm = dialect.read(*texts)
    documents = [parse(text, Path("values.yaml")).values for text in texts]
    overrides: dict[str, Any] = {}
    for document in documents[1:]:
        overrides = merge(overrides, document)
    ours = coalesce(Defaults("dialect", documents[0]), overrides)
    assert same(ours.values, helm["values"]), f"{layers}: {ours.values} is {helm['values']} in Helm"
    assert len(ours.warnings) == len(helm.get("warnings") or []), (layers, ours.warnings, helm.get("warnings"))
