"""What an environment asks the scheduler for: summed requests, as rendered and with every autoscaler at its maximum."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from mldeploy.plan.model import Demand, Resources
from mldeploy.plan.objects import Manifested
from mldeploy.plan.quantity import parse

_SCALED = {"Deployment", "StatefulSet", "ReplicaSet", "Rollout"}
_JOBS = {"Job", "CronJob"}
# KEDA's own defaults, where a ScaledObject names no number.
_KEDA_MINIMUM, _KEDA_MAXIMUM = 0, 100

_Amounts = dict[str, Decimal]


def demand(objects: Iterable[Manifested]) -> Demand:
    """Sum the requests of all pods that these objects make; hooks and a DaemonSet's further nodes are left out."""
    listed = [each for each in objects if not each.hook]
    scalers = {key: bounds for each in listed for key, bounds in _scaler(each)}
    minimum: defaultdict[str, Decimal] = defaultdict(Decimal)
    maximum: defaultdict[str, Decimal] = defaultdict(Decimal)
    for each in listed:
        pod = _pod(each)
        if pod is None:
            continue
        low, high = scalers.get((each.namespace, each.kind, each.name)) or _own(each)
        for name, amount in _requests(pod).items():
            minimum[name] += amount * low
            maximum[name] += amount * high
    return Demand(_resources(minimum), _resources(maximum))


def _resources(amounts: _Amounts) -> Resources:
    return Resources({name: float(amount) for name, amount in sorted(amounts.items()) if amount})


def _spec(data: Any) -> dict[str, Any]:
    spec = data.get("spec") if isinstance(data, dict) else None
    return spec if isinstance(spec, dict) else {}


def _pod(each: Manifested) -> dict[str, Any] | None:
    spec = _spec(each.data)
    if each.kind == "Pod":
        return spec
    if each.kind == "CronJob":
        spec = _spec(spec.get("jobTemplate"))
    if each.kind in {*_SCALED, *_JOBS, "DaemonSet"}:
        return _spec(spec.get("template"))
    return None


def _own(each: Manifested) -> tuple[int, int]:
    spec = _spec(each.data)
    if each.kind == "CronJob":
        spec = _spec(spec.get("jobTemplate"))
    named = spec.get("replicas" if each.kind in _SCALED else "parallelism" if each.kind in _JOBS else "")
    count = named if isinstance(named, int) else 1
    return count, count


def _scaler(each: Manifested) -> Iterable[tuple[tuple[str, str, str], tuple[int, int]]]:
    spec = _spec(each.data)
    target = spec.get("scaleTargetRef")
    if not isinstance(target, dict):
        return
    key = (each.namespace, str(target.get("kind", "Deployment")), str(target.get("name", "")))
    if each.kind == "HorizontalPodAutoscaler":
        yield key, (_number(spec.get("minReplicas"), 1), _number(spec.get("maxReplicas"), 1))
    elif each.kind == "ScaledObject":
        low = _number(spec.get("minReplicaCount"), _KEDA_MINIMUM)
        yield key, (low, _number(spec.get("maxReplicaCount"), _KEDA_MAXIMUM))


def _number(value: Any, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def _requests(pod: dict[str, Any]) -> _Amounts:
    """Give what the scheduler reserves for a pod: containers and sidecars together, or the largest step before."""
    running: defaultdict[str, Decimal] = defaultdict(Decimal)
    largest: _Amounts = {}
    for container in _containers(pod, "initContainers"):
        own = _amounts(container)
        if container.get("restartPolicy") == "Always":  # a sidecar: it goes on running
            for name, amount in own.items():
                running[name] += amount
            own = {}
        for name in {*own, *running}:
            step = running.get(name, Decimal()) + own.get(name, Decimal())
            largest[name] = max(largest.get(name, Decimal()), step)
    for container in _containers(pod, "containers"):
        for name, amount in _amounts(container).items():
            running[name] += amount
    return {name: max(running.get(name, Decimal()), largest.get(name, Decimal())) for name in {*running, *largest}}


def _containers(pod: dict[str, Any], key: str) -> list[dict[str, Any]]:
    listed = pod.get(key)
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def _amounts(container: dict[str, Any]) -> _Amounts:
    resources = container.get("resources")
    named = resources if isinstance(resources, dict) else {}
    # A limit without a request is the request, as the API server's defaults make it.
    merged = {**(named.get("limits") or {}), **(named.get("requests") or {})}
    return {str(name): amount for name, value in merged.items() if (amount := parse(value)) is not None}
