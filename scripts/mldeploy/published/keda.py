"""KEDA's chart, made of the manifests that come in its module: they are for kustomize, and releases want a chart.

Names, namespace and the few values are those of the publisher's chart, so that one values file serves both.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mldeploy.errors import MldeployError
from mldeploy.process import run
from mldeploy.published.source import Source, split
from mldeploy.toolchain import tool, tool_file
from mldeploy.toolchain.pins import load

_PROGRAM = "keda"
_MANIFESTS = "config/default"
_OURS = Path(__file__).parent / "keda_chart"
_BUILD_TIMEOUT_S = 60.0
_ADAPTER_SERVICE = ("keda-metrics-apiserver", "keda-operator-metrics-apiserver")
# What helm is to put in: plain text for YAML's writer, and a template's expression after it.
_EXPRESSION = re.compile(r"__helm\((.*?)\)__")


@dataclass(frozen=True)
class _Part:
    """A Deployment of the module's manifests: its name in the publisher's chart, and that chart's words for it."""

    published: str
    image: str
    resources: str
    probes: str
    program: str
    arguments: tuple[str, ...] = ()


_PARTS = {
    "keda-operator": _Part(
        "keda-operator",
        image="keda",
        resources="operator",
        probes="operator",
        program="keda",
        arguments=(f"--metrics-server-service-name={_ADAPTER_SERVICE[1]}",),
    ),
    "keda-metrics-apiserver": _Part(
        _ADAPTER_SERVICE[1],
        image="metricsApiServer",
        resources="metricServer",
        probes="metricsServer",
        program="keda-adapter",
    ),
    "keda-admission": _Part(
        "keda-admission-webhooks",
        image="webhooks",
        resources="webhooks",
        probes="webhooks",
        program="keda-admission-webhooks",
    ),
}


def _write_chart(chart: Path) -> None:
    shutil.copytree(_OURS, chart)
    version = load().pin(_PROGRAM).version.removeprefix("v")
    about: dict[str, Any] = yaml.safe_load((chart / "Chart.yaml").read_text("utf-8"))
    about |= {"version": version, "appVersion": version}
    (chart / "Chart.yaml").write_text(yaml.safe_dump(about, sort_keys=False), "utf-8")
    source = tool_file(_PROGRAM, _MANIFESTS)
    built = run([tool("kustomize"), "build", source], timeout_s=_BUILD_TIMEOUT_S).stdout
    if "{{" in built or "__helm" in built:
        raise MldeployError(f"{source}: cannot be a template", remedy="see what this version of the module has there")
    missing = set(_PARTS)
    for document in yaml.load_all(built, yaml.CSafeLoader):
        missing.discard(_template(document, chart / "templates", version))
    if missing:
        raise MldeployError(
            f"{source}: has no Deployment {', '.join(sorted(missing))}",
            remedy="see what this version of the module has there",
        )


def _template(document: dict[str, Any], templates: Path, version: str) -> str:
    """Write one object as a template, and give the name that it had."""
    kind, name = document["kind"], document["metadata"]["name"]
    if kind == "Namespace":
        # helm makes it, and a chart that has it would remove it with all that is in it.
        return ""
    labels = document["metadata"]["labels"]
    labels["app.kubernetes.io/version"] = version
    if kind == "Deployment":
        _adapt(document, _PARTS[name])
    text = yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False, width=10_000)
    text = _EXPRESSION.sub(r"{{ \1 }}", text)
    if kind == "CustomResourceDefinition":
        text = f"{{{{- if .Values.crds.install }}}}\n{text}{{{{- end }}}}\n"
    else:
        text = text.replace(*_ADAPTER_SERVICE)
    path = templates / f"{kind}-{name.replace(':', '-')}.yaml".lower()
    path.write_text(text, "utf-8")
    return str(name) if kind == "Deployment" else ""


def _adapt(deployment: dict[str, Any], part: _Part) -> None:
    deployment["metadata"]["name"] = part.published
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    container["image"] = f"__helm(include `keda.image` (list .Values.image.{part.image} .Chart.AppVersion))__"
    container["imagePullPolicy"] = "__helm(.Values.image.pullPolicy)__"
    container["resources"] = f"__helm(toJson .Values.resources.{part.resources})__"
    delay = f"__helm(.Values.{part.probes}.readinessProbe.initialDelaySeconds | int)__"
    container["readinessProbe"]["initialDelaySeconds"] = delay
    container["args"] += part.arguments


def _image_values(references: Mapping[str, str]) -> dict[str, Any]:
    return {
        "image": {part.image: {"registry": "", **split(references[part.program])} for part in _PARTS.values()},
    }


KEDA = Source("keda", "keda", tuple(part.program for part in _PARTS.values()), _write_chart, _image_values)
