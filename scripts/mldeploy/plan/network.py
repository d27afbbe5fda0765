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

    A policy that goes away or allows more, a Service that becomes reachable from outside, a new route or host, a pod
    that gets the node's network or a port of it. A policy that appears only closes.
    """
    old = before.data if before else None
    new = after.data if after else None
    kind = (after or before).kind if (after or before) else ""  # type: ignore[union-attr]
    if kind == "NetworkPolicy":
        return _policy_opened(old, new)
    if new is None:
        return False
    if kind == "Service":
        return _exposure(new) > _exposure(old)
    if kind in _ROUTES:
        return not _hosts(new) <= _hosts(old) if old else True
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


def _hosts(route: dict[str, Any] | None) -> set[str]:
    spec = _spec(route or {})
    found = {str(each) for key in ("hostnames", "hosts") for each in spec.get(key) or []}
    for rule in spec.get("rules") or []:
        if isinstance(rule, dict):
            found.add(str(rule.get("host", "*")))
    for listener in spec.get("listeners") or []:
        if isinstance(listener, dict):
            found.add(f"{listener.get('hostname', '*')}:{listener.get('port')}")
    return found


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
