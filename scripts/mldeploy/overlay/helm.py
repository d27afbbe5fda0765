"""The generated template that carries an overlay's objects through Helm unchanged."""

from __future__ import annotations

from pathlib import Path

from mldeploy.overlay.stamp import stamp


def template(service: str, environment: str, manifest: str) -> str:
    """Write a template that renders to `manifest`, whatever looks like a template's expression in it.

    It defines a name that the chart's own template includes, so that Helm itself refuses the chart without it, or with
    another environment's.
    """
    said = f"Made by scripts/helmify (mldeploy overlay) for {environment} of {service}; change nothing here."
    body = f'{{{{- define "{marker(service, environment)}" }}}}{{{{ end -}}}}\n---\n{escaped(manifest)}'
    return stamp(said, body, opening="{{- /* ", closing=" */ -}}")


def marker(service: str, environment: str) -> str:
    """Give the name that a template is known by; Helm's message shows it where it is missing."""
    return f"objects of {service} for {environment}: scripts/helmify build {service} {environment}"


def escaped(text: str) -> str:
    """Write what a template has to hold so that `text` comes out of it."""
    return text.replace("{{", '{{ "{{" }}')


def environment_of(path: Path) -> str:
    """Say which environment a template was made for; "" where it does not say."""
    line = path.read_bytes().split(b"\n", 1)[0].decode("utf-8", "replace")
    _, found, rest = line.partition(" for ")
    return rest.partition(" of ")[0] if found else ""
