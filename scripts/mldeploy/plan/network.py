"""Whether a change lets traffic in or out that was kept apart before."""

from __future__ import annotations

import json
from typing import Any

from mldeploy.plan.objects import Manifested

_EXPOSED = {"NodePort": 1, "LoadBalancer": 2}
_ROUTES = {"Ingress", "HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "Gateway", "VirtualService"}
_POD_OWNERS = {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "Pod"}


def opened(before: Manifested | None, after: Manifested | None) -> bool:
    """Say whether traffic passes after the change that did not pass before.

    A policy that goes away or allows more, a Service that becomes reachable from outside or for more addresses, a new
    route, host or path, a pod that gets the node's network or a port of it. A policy that appears only closes.
    """
    old = before.data if before else None
    new = after.data if after else None
    kind = (after or before).kind if (after or before) else ""  # type: ignore[union-attr]
    if kind == "NetworkPolicy":
        return _policy_opened(old, new)
    if new is None:
        return False
    if kind == "Service":
        limited = _sources(old)
        return _exposure(new) > _exposure(old) or (bool(limited) and not _sources(new) <= limited)
    if kind in _ROUTES:
        return old is None or not all(_covered(place, _places(old)) for place in _places(new))
    if kind in _POD_OWNERS:
        return _host_access(new) > _host_access(old)
    return False


def _policy_opened(old: dict[str, Any] | None, new: dict[str, Any] | None) -> bool:
    if old is None:
        return False
    if new is None:
        return True
    before, after = _spec(old), _spec(new)
    if before.get("podSelector") != after.get("podSelector"):
        return True  # other pods: those that it chose before may be without a policy now
    types_before, types_after = _types(before), _types(after)
    if types_before - types_after:
        return True
    for direction, key in (("Ingress", "ingress"), ("Egress", "egress")):
        if direction in types_before and not _rules(after, key) <= _rules(before, key):
            return True
    return False


def _types(spec: dict[str, Any]) -> set[str]:
    named = spec.get("policyTypes")
    if isinstance(named, list) and named:
        return {str(each) for each in named}
    return {"Ingress"} | ({"Egress"} if spec.get("egress") else set())


def _rules(spec: dict[str, Any], key: str) -> set[str]:
    """Take a policy's rules apart into single permissions: one peer (or any) on one port (or any)."""
    peer_key = "from" if key == "ingress" else "to"
    found: set[str] = set()
    for rule in spec.get(key) or []:
        if isinstance(rule, dict):
            peers = rule.get(peer_key) or [None]
            ports = rule.get("ports") or [None]
            found |= {json.dumps([peer, port], sort_keys=True) for peer in peers for port in ports}
    return found


def _exposure(service: dict[str, Any] | None) -> int:
    spec = _spec(service or {})
    level = _EXPOSED.get(str(spec.get("type", "")), 0)
    if level == 2 and spec.get("loadBalancerSourceRanges"):
        level = 1
    return max(level, 2 if spec.get("externalIPs") else 0)


def _sources(service: dict[str, Any] | None) -> set[str]:
    """Give the addresses that a load balancer is limited to; nothing where it is not, which `_exposure` tells."""
    return {str(each) for each in _spec(service or {}).get("loadBalancerSourceRanges") or []}


def _places(route: dict[str, Any]) -> set[tuple[str, str]]:
    """Give what a route takes: hosts, each with the beginnings of the paths."""
    spec = _spec(route)
    hosts = {str(each) for key in ("hostnames", "hosts") for each in spec.get(key) or []} or {"*"}
    found: set[tuple[str, str]] = set()
    for rule in _mappings(spec.get("rules")) + _mappings(spec.get("http")):
        own = {str(rule["host"])} if "host" in rule else hosts
        found |= {(host, path) for host in own for path in _paths(rule)}
    for listener in _mappings(spec.get("listeners")):
        found.add((f"{listener.get('hostname', '*')}:{listener.get('port')}", ""))
    return found or {(host, "") for host in hosts}


def _paths(rule: dict[str, Any]) -> set[str]:
    """Read a rule of an Ingress (http.paths), of the Gateway API (matches) or of Istio (match); "" is every path."""
    http = rule.get("http")
    found = {str(each.get("path", "")) for each in _mappings(http.get("paths") if isinstance(http, dict) else None)}
    for match in _mappings(rule.get("matches")) + _mappings(rule.get("match")):
        where = match.get("path", match.get("uri"))
        where = where if isinstance(where, dict) else {}
        found.add(str(where.get("value", where.get("prefix", where.get("exact", "")))))
    return found or {""}


def _covered(place: tuple[str, str], known: set[tuple[str, str]]) -> bool:
    host, path = place
    return any(host == other and path.startswith(beginning) for other, beginning in known)


def _mappings(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _host_access(owner: dict[str, Any] | None) -> int:
    spec = _spec(owner or {})
    template = spec.get("template")
    pod = _spec(template) if isinstance(template, dict) else spec
    containers = [each for each in pod.get("containers") or [] if isinstance(each, dict)]
    ports = sum(
        1 for each in containers for port in each.get("ports") or [] if isinstance(port, dict) and port.get("hostPort")
    )
    return ports + (1000 if pod.get("hostNetwork") else 0)


def _spec(data: dict[str, Any]) -> dict[str, Any]:
    spec = data.get("spec")
    return spec if isinstance(spec, dict) else {}
