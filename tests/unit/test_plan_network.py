"""What lets traffic in or out that was kept apart before."""

from __future__ import annotations

from typing import Any

import pytest

from mldeploy.plan import network
from mldeploy.plan.objects import Manifested, manifested
from mldeploy.render import RenderedObject


def made(kind: str, data: dict[str, Any], *, api_version: str = "v1") -> Manifested:
    content = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}, **data}
    (only,) = manifested([RenderedObject("chart/templates/a.yaml", content)], "space")
    return only


def policy(spec: dict[str, Any]) -> Manifested:
    return made("NetworkPolicy", {"spec": {"podSelector": {}, **spec}}, api_version="networking.k8s.io/v1")


PEER = {"podSelector": {"matchLabels": {"a": "b"}}}
PORT = {"port": 80}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"ingress": [{"from": [PEER]}]}, {"ingress": [{"from": [PEER]}]}, False),
        ({"ingress": [{"from": [PEER]}]}, {"ingress": []}, False),
        ({"ingress": []}, {"ingress": [{"from": [PEER]}]}, True),
        ({"ingress": [{"from": [PEER], "ports": [PORT]}]}, {"ingress": [{"from": [PEER]}]}, True),
        ({"ingress": [{"from": [PEER]}, {"from": [PEER], "ports": [PORT]}]}, {"ingress": [{"from": [PEER]}]}, False),
        ({"ingress": [{"from": [PEER]}]}, {"ingress": [{}]}, True),
        ({"policyTypes": ["Ingress", "Egress"]}, {"policyTypes": ["Ingress"]}, True),
        ({"policyTypes": ["Ingress"]}, {"policyTypes": ["Ingress", "Egress"]}, False),
        ({"podSelector": {"matchLabels": {"a": "b"}}}, {"podSelector": {"matchLabels": {"a": "c"}}}, True),
    ],
)
def test_the_network_opens(before: dict[str, Any], after: dict[str, Any], expected: bool) -> None:
    assert network.opened(policy(before), policy(after)) is expected


def test_what_is_reachable_from_outside_opens_the_network() -> None:
    inside, outside = made("Service", {"spec": {}}), made("Service", {"spec": {"type": "LoadBalancer"}})
    assert network.opened(inside, outside)
    assert not network.opened(outside, inside)
    assert network.opened(policy({}), None)
    assert not network.opened(None, policy({"ingress": [{}]}))
    assert network.opened(None, made("Ingress", {"spec": {"rules": [{"host": "a"}]}}))
    host = made("Deployment", {"spec": {"template": {"spec": {"hostNetwork": True, "containers": []}}}})
    assert network.opened(made("Deployment", {"spec": {}}), host)


def balanced(*sources: str) -> dict[str, Any]:
    return {"type": "LoadBalancer", "loadBalancerSourceRanges": list(sources)}


def ingress(host: str, *paths: str) -> dict[str, Any]:
    return {"rules": [{"host": host, "http": {"paths": [{"path": path} for path in paths]}}]}


def gateway_route(host: str, path: str) -> dict[str, Any]:
    return {"hostnames": [host], "rules": [{"matches": [{"path": {"type": "PathPrefix", "value": path}}]}]}


def mesh_route(host: str, prefix: str) -> dict[str, Any]:
    return {"hosts": [host], "http": [{"match": [{"uri": {"prefix": prefix}}]}]}


@pytest.mark.parametrize(
    ("kind", "narrow", "wide"),
    [
        ("Service", balanced("10.0.0.0/8"), balanced("10.0.0.0/8", "192.0.2.0/24")),
        ("Service", balanced("10.0.0.0/8"), {"type": "LoadBalancer"}),
        ("Ingress", ingress("a", "/v1"), ingress("a", "/")),
        ("Ingress", ingress("a", "/v1"), ingress("a", "/v1", "/metrics")),
        ("Ingress", ingress("a", "/v1"), {"rules": [{"host": "a"}]}),
        ("HTTPRoute", gateway_route("a", "/v1"), gateway_route("a", "/")),
        ("HTTPRoute", gateway_route("a", "/v1"), {"hostnames": ["a"], "rules": [{}]}),
        ("VirtualService", mesh_route("a", "/v1/"), mesh_route("a", "/")),
        ("VirtualService", mesh_route("a", "/v1/"), {"hosts": ["a", "b"], "http": [{}]}),
    ],
)
def test_a_way_in_that_widens_opens_and_one_that_narrows_does_not(
    kind: str, narrow: dict[str, Any], wide: dict[str, Any]
) -> None:
    less, more = made(kind, {"spec": narrow}), made(kind, {"spec": wide})
    assert network.opened(less, more)
    assert not network.opened(more, less)
    assert not network.opened(more, more)
    assert network.opened(None, less)
