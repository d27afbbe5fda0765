"""Shapes of the Kubernetes API that charts pass on as they are, as JSON Schema; `# @schema {$ref: name}` uses one.

Written from the API's own types (core/v1, autoscaling/v2, networking/v1 in Kubernetes 1.36, external-secrets.io/v1,
gateway.networking.k8s.io/v1, keda.sh/v1alpha1), as far as these charts pass them on. A shape is copied into each
schema, so that every schema stands alone.
"""

from __future__ import annotations

from typing import Any

Shape = dict[str, Any]


def _object(properties: dict[str, Shape], *, required: tuple[str, ...] = (), **more: Any) -> Shape:
    shape: Shape = {"type": "object", "properties": properties, "additionalProperties": False, **more}
    return {**shape, "required": list(required)} if required else shape


def _array(items: Shape, **more: Any) -> Shape:
    return {"type": "array", "items": items, **more}


def _quantity(message: str, pattern: str) -> Shape:
    return {"type": ["string", "integer", "number"], "minimum": 0, "pattern": pattern, "errorMessage": message}


_STRING: Shape = {"type": "string"}
_NAME: Shape = {"type": "string", "minLength": 1}
_STRING_MAP: Shape = {
    "type": "object",
    "additionalProperties": {"type": "string", "errorMessage": "must be a string: write it in quotes"},
}
_CPU = _quantity('CPUs such as "1", 0.5 or 250m', r"^[0-9]+(\.[0-9]+)?m?$")
_BYTES = _quantity("a size such as 512Mi or 2Gi", r"^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?$")
_AMOUNTS = _object({"cpu": _CPU, "memory": _BYTES, "ephemeral-storage": _BYTES}, additionalProperties=_quantity(
    "a number of devices", r"^[0-9]+$"
), propertyNames={"pattern": "^(cpu|memory|ephemeral-storage|[a-z0-9.-]+/[A-Za-z0-9_.-]+)$"})  # fmt: skip

_LABEL_SELECTOR = _object(
    {
        "matchLabels": _STRING_MAP,
        "matchExpressions": _array(
            _object(
                {
                    "key": _NAME,
                    "operator": {"type": "string", "enum": ["In", "NotIn", "Exists", "DoesNotExist"]},
                    "values": _array(_STRING),
                },
                required=("key", "operator"),
            )
        ),
    }
)
_PEER = _object(
    {
        "podSelector": _LABEL_SELECTOR,
        "namespaceSelector": _LABEL_SELECTOR,
        "ipBlock": _object({"cidr": _NAME, "except": _array(_STRING)}, required=("cidr",)),
    },
    minProperties=1,
)
_PORT = _object(
    {
        "protocol": {"type": "string", "enum": ["TCP", "UDP", "SCTP"]},
        "port": {"type": ["integer", "string"], "minimum": 1, "maximum": 65535},
        "endPort": {"type": "integer", "minimum": 1, "maximum": 65535},
    }
)
_TOLERATION = _object(
    {
        "key": _STRING,
        "operator": {"type": "string", "enum": ["Exists", "Equal", "Lt", "Gt"]},
        "value": _STRING,
        "effect": {"type": "string", "enum": ["NoSchedule", "PreferNoSchedule", "NoExecute"]},
        "tolerationSeconds": {"type": "integer"},
    }
)
_SPREAD = _object(
    {
        "topologyKey": _NAME,
        "maxSkew": {"type": "integer", "minimum": 1},
        "whenUnsatisfiable": {"type": "string", "enum": ["DoNotSchedule", "ScheduleAnyway"]},
    },
    required=("topologyKey",),
)
_SCALING_RULES = _object(
    {
        "stabilizationWindowSeconds": {"type": "integer", "minimum": 0, "maximum": 3600},
        "selectPolicy": {"type": "string", "enum": ["Max", "Min", "Disabled"]},
        "policies": _array(
            _object(
                {
                    "type": {"type": "string", "enum": ["Pods", "Percent"]},
                    "value": {"type": "integer", "minimum": 1},
                    "periodSeconds": {"type": "integer", "minimum": 1, "maximum": 1800},
                },
                required=("type", "value", "periodSeconds"),
            ),
            minItems=1,
        ),
    }
)
_PARENT = _object(
    {
        "name": _NAME,
        "namespace": _NAME,
        "sectionName": _NAME,
        "port": {"type": "integer", "minimum": 1, "maximum": 65535},
    },
    required=("name",),
)
_CIDR: Shape = {
    "type": "string",
    "pattern": r"^([0-9]{1,3}([.][0-9]{1,3}){3}/[0-9]{1,2}|[0-9a-f:]+:[0-9a-f:]*/[0-9]{1,3})$",
    "errorMessage": "addresses such as 10.0.0.0/8",
}
_GATEWAY: Shape = {
    "type": "string",
    "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
    "errorMessage": "a gateway as namespace/name",
}
# Each source that a ScaledObject may ask, and what it cannot do without (the scalers of KEDA 2.21).
_KEDA_SOURCES: dict[str, tuple[str, ...]] = {
    "prometheus": ("serverAddress", "query", "threshold"),
    "aws-sqs-queue": ("queueURL", "awsRegion", "queueLength"),
    "rabbitmq": ("queueName", "mode", "value"),
}
_KEDA_TRIGGER = _object(
    {
        "type": {"type": "string", "enum": list(_KEDA_SOURCES)},
        "name": {
            "type": "string",
            "pattern": "^[a-z]([-a-z0-9]{0,28}[a-z0-9])?$",
            "errorMessage": "at most 30 lower-case letters, digits and dashes, a letter first: objects are named by it",
        },
        "metadata": _STRING_MAP,
        "authentication": _object(
            {
                "secretTargetRef": _array(
                    _object({"parameter": _NAME, "name": _NAME, "key": _NAME}, required=("parameter", "name", "key")),
                    minItems=1,
                ),
                "podIdentity": _object(
                    {
                        "provider": {"type": "string", "enum": ["aws", "azure-workload", "gcp"]},
                        "identityId": _NAME,
                        "roleArn": _NAME,
                    },
                    required=("provider",),
                ),
            },
            minProperties=1,
        ),
    },
    required=("type", "name", "metadata"),
    allOf=[
        {
            "if": {"properties": {"type": {"const": source}}},
            "then": {"properties": {"metadata": {"required": list(needed)}}},
        }
        for source, needed in _KEDA_SOURCES.items()
    ],
)
_DURATION: Shape = {"type": "string", "pattern": "^[0-9]+(s|m|h|d)$", "errorMessage": "a duration such as 30m or 3d"}
_BURN_RATE = _object(
    {
        "severity": _NAME,
        "factor": {"type": "number", "exclusiveMinimum": 0},
        **dict.fromkeys(("long", "short", "for"), _DURATION),
    },
    required=("severity", "factor", "long", "short", "for"),
)
_OWN_LABELS = ("app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component")

DEFINITIONS: dict[str, Shape] = {
    "stringMap": _STRING_MAP,
    "podLabels": {**_STRING_MAP, "properties": dict.fromkeys(_OWN_LABELS, False)},
    "localObjectReferences": _array(_object({"name": _NAME}, required=("name",))),
    "resources": _object({"requests": _AMOUNTS, "limits": _AMOUNTS}),
    "probe": _object(
        {
            "initialDelaySeconds": {"type": "integer", "minimum": 0},
            "periodSeconds": {"type": "integer", "minimum": 1},
            "timeoutSeconds": {"type": "integer", "minimum": 1},
            "failureThreshold": {"type": "integer", "minimum": 1},
        }
    ),
    "topologySpread": _array(_SPREAD),
    "tolerations": _array(_TOLERATION),
    "affinity": _object({key: {"type": "object"} for key in ("nodeAffinity", "podAffinity", "podAntiAffinity")}),
    "hpaBehavior": _object({"scaleUp": _SCALING_RULES, "scaleDown": _SCALING_RULES}),
    "kedaTriggers": _array(_KEDA_TRIGGER),
    "networkPolicyPeers": _array(_PEER),
    "networkPolicyEgress": _array(_object({"to": _array(_PEER), "ports": _array(_PORT)}, minProperties=1)),
    "cidrs": _array(_CIDR),
    "parentRefs": _array(_PARENT),
    "burnRates": _array(_BURN_RATE, minItems=1),
    "gateways": _array(_GATEWAY),
    "remoteRefs": {
        "type": "object",
        "propertyNames": {"pattern": "^[A-Za-z0-9_.-]+$"},
        "additionalProperties": _object({"key": _NAME, "property": _NAME, "version": _NAME}, required=("key",)),
    },
}
