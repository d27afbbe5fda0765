"""A plan as text, JSON, Markdown, GitHub annotations, and a page; by the name of the format."""

from __future__ import annotations

from importlib import import_module

from mldeploy.plan.model import Plan

_MODULES = {"text": "text", "json": "data", "markdown": "markdown", "github": "github", "html": "page"}
FORMATS = tuple(_MODULES)


def write(plan: Plan, form: str) -> str:
    """Write a plan in one of `FORMATS`; every text from a file is escaped for that format."""
    return str(import_module(f"mldeploy.plan.reports.{_MODULES[form]}").render(plan))
