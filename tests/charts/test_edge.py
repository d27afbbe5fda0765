"""One way in from outside the cluster: what the chosen one renders, and what it opens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "charts" / "ml-api" / "ci"
ROUTES = {"Ingress", "HTTPRoute", "VirtualService"}
Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]
One = Callable[..., Manifest]


def pods_of(namespace: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}


# fixture, its way in, the peers that its NetworkPolicy lets in beside the namespace's own pods
WAYS: list[tuple[str, str, list[dict[str, Any]]]] = [
    ("default", "", []),
    ("edge-load-balancer", "LoadBalancer", [{"ipBlock": {"cidr": "10.0.0.0/8"}}, {"ipBlock": {"cidr": "fd00::/8"}}]),
    ("edge-ingress", "Ingress", [pods_of("ingress-nginx")]),
    ("edge-ingress-no-tls", "Ingress", [{"ipBlock": {"cidr": "10.20.0.0/16"}}]),
    ("edge-http-route", "HTTPRoute", [pods_of("gateways")]),
    (
        "edge-virtual-service",
        "VirtualService",
        [pods_of("istio-ingress")],
    ),
    ("edge-virtual-service-own-host", "VirtualService", []),
]


def values(name: str) -> Path:
    return FOLDER / f"{name}-values.yaml"


def test_every_fixture_of_an_edge_is_here() -> None:
    assert {path.name for path in FOLDER.glob("edge-*")} == {
        values(name).name for name, *_ in WAYS if name != "default"
    }


@pytest.mark.parametrize(("fixture", "way", "peers"), WAYS, ids=[name for name, *_ in WAYS])
def test_one_way_in_and_what_it_needs_is_open(
    fixture: str, way: str, peers: list[dict[str, Any]], manifests: Render, one: One
) -> None:
    found = manifests("ml-api", values(fixture))
    service = one(found, "Service")
    ways = [m["kind"] for m in found if m["kind"] in ROUTES]
    if service["spec"]["type"] != "ClusterIP":
        ways.append(service["spec"]["type"])
    assert ways == ([way] if way else [])
    policies = [m for m in found if m["kind"] == "NetworkPolicy"]
    assert bool(policies) is (fixture != "edge-virtual-service-own-host")
    for policy in policies:
        (rule,) = policy["spec"]["ingress"]
        assert rule == {"from": [{"podSelector": {}}, *peers], "ports": [{"protocol": "TCP", "port": "http"}]}


def test_a_load_balancer_keeps_the_address_that_the_policy_asks_for(manifests: Render, one: One) -> None:
    spec = one(manifests("ml-api", values("edge-load-balancer")), "Service")["spec"]
    assert spec["loadBalancerSourceRanges"] == ["10.0.0.0/8", "fd00::/8"]
    assert spec["externalTrafficPolicy"] == "Local"


def test_an_ingress_lets_in_predictions_with_tls(manifests: Render, one: One) -> None:
    found = manifests("ml-api", values("edge-ingress"))
    ingress, port = one(found, "Ingress"), one(found, "Service")["spec"]["ports"][0]
    assert ingress["metadata"]["annotations"] == {"cert-manager.io/cluster-issuer": "letsencrypt"}
    assert ingress["spec"]["ingressClassName"] == "nginx"
    assert ingress["spec"]["tls"] == [{"hosts": ["ml-api.example.com"], "secretName": "test-ml-api-tls"}]
    (rule,) = ingress["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert (rule["host"], path["path"], path["pathType"]) == ("ml-api.example.com", "/v1", "Prefix")
    assert path["backend"]["service"] == {"name": "test-ml-api", "port": {"name": port["name"]}}
    spec = one(manifests("ml-api", values("edge-ingress-no-tls")), "Ingress")["spec"]
    assert "tls" not in spec
    assert spec["rules"][0]["http"]["paths"][0]["path"] == "/"


def test_a_route_of_the_gateway_api(manifests: Render, one: One) -> None:
    found = manifests("ml-api", values("edge-http-route"))
    spec = one(found, "HTTPRoute")["spec"]
    assert spec["parentRefs"] == [{"name": "public", "namespace": "gateways", "sectionName": "https"}]
    assert spec["hostnames"] == ["ml-api.example.com"]
    (rule,) = spec["rules"]
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/v1"}}]
    assert rule["backendRefs"] == [{"name": "test-ml-api", "port": one(found, "Service")["spec"]["ports"][0]["port"]}]


@pytest.mark.parametrize(
    ("front", "path", "route"),
    [
        ("/", "/v1", ("/v1/", None)),
        ("/ml-api", "/v1", ("/ml-api/v1/", "/v1/")),
        ("/ml/api", "/", ("/ml/api/", "/")),
        ("/", "/", ("/", None)),
    ],
)
def test_a_route_of_istio_takes_its_own_prefix_off(
    front: str, path: str, route: tuple[str, str | None], manifests: Render, one: One
) -> None:
    prefix, rewrite = route
    found = manifests("ml-api", values("edge-virtual-service"), **{"edge.virtualServicePath": front, "edge.path": path})
    (rule,) = one(found, "VirtualService")["spec"]["http"]
    assert rule["match"] == [{"uri": {"prefix": prefix}}]
    assert rule.get("rewrite") == (rewrite and {"uri": rewrite})
    (target,) = rule["route"]
    port = one(found, "Service")["spec"]["ports"][0]["port"]
    assert target["destination"] == {"host": "test-ml-api.test.svc.cluster.local", "port": {"number": port}}
