"""The External Secrets Operator's chart, as it comes in the operator's own module."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from mldeploy.errors import MldeployError
from mldeploy.published.source import Source, split
from mldeploy.toolchain import tool_file
from mldeploy.toolchain.pins import load

_NAME = "external-secrets"
_CHART = f"deploy/charts/{_NAME}"
_CRDS = "deploy/crds/bundle.yaml"
# What half a minute of every start goes to, hard-coded in two templates: probes that begin late, and a webhook that
# looks for its certificate, finds none and sleeps. Asked from the first second, and started when there is a
# certificate to mount, the same pods are ready in five.
_QUICKER = {
    "templates/webhook-deployment.yaml": (
        ("initialDelaySeconds: 20\n            periodSeconds: 5\n", "periodSeconds: 1\n"),
        (
            'secretName: {{ include "external-secrets.fullname" . }}-webhook\n',
            'secretName: {{ include "external-secrets.fullname" . }}-webhook\n'
            "            items:\n"
            "              - {key: tls.crt, path: tls.crt}\n"
            "              - {key: tls.key, path: tls.key}\n"
            "              - {key: ca.crt, path: ca.crt}\n",
        ),
    ),
    "templates/cert-controller-deployment.yaml": (
        ("initialDelaySeconds: 20\n            periodSeconds: 5\n", "periodSeconds: 1\n"),
    ),
}
# Of no use to a release: the publisher's own tests, and a lock of dependencies that are dropped.
_LEFT_OUT = ("tests", "ci", "Chart.lock", "README.md.gotmpl")


def _write_chart(chart: Path) -> None:
    """Write the chart with its CRDs among the templates, as it is published, without its one dependency.

    That one is off by default and not in the module.
    """
    source = tool_file(_NAME, _CHART)
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source)
        if path.is_file() and name.parts[0] not in _LEFT_OUT:
            (chart / name).parent.mkdir(parents=True, exist_ok=True)
            (chart / name).write_bytes(path.read_bytes())
    for template, replacements in _QUICKER.items():
        _edit(chart / template, replacements)
    about: dict[str, Any] = yaml.safe_load((chart / "Chart.yaml").read_text("utf-8"))
    del about["dependencies"]
    # The module's release was tagged before its chart was: the program is what counts.
    about["appVersion"] = load().pin(_NAME).version
    about["version"] = about["appVersion"].removeprefix("v")
    (chart / "Chart.yaml").write_text(yaml.safe_dump(about, sort_keys=False), "utf-8")
    _write_crds(tool_file(_NAME, _CRDS), chart / "templates" / "crds")


def _edit(path: Path, replacements: Sequence[tuple[str, str]]) -> None:
    text = path.read_text("utf-8")
    for old, new in replacements:
        if old not in text:
            raise MldeployError(f"{path.name}: has no {old!r}", remedy="see what this version of the module has there")
        text = text.replace(old, new)
    path.write_text(text, "utf-8")


def _write_crds(bundle: Path, folder: Path) -> None:
    """Write each CRD as a template of its own, which `installCRDs` turns off, as in the published chart."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    documents = [text for text in re.split(r"^---\n", bundle.read_text("utf-8"), flags=re.MULTILINE) if text.strip()]
    for text in documents:
        name = re.search(r"^metadata:\n(?:  .*\n)*?  name: (\S+)$", text, re.MULTILINE)
        if not name or "{{" in text:
            raise MldeployError(
                f"{bundle}: holds something that is no CRD, or cannot be a template",
                remedy="see what this version of the module has there",
            )
        content = f"{{{{- if .Values.installCRDs }}}}\n{text.rstrip()}\n{{{{- end }}}}\n"
        (folder / f"{name[1]}.yaml").write_text(content, "utf-8")


def _image_values(references: Mapping[str, str]) -> dict[str, Any]:
    return {"image": split(references[_NAME])}


EXTERNAL_SECRETS = Source(_NAME, "externalSecrets", (_NAME,), _write_chart, _image_values)
