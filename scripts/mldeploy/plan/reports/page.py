"""A plan as one self-contained page: no script, nothing loaded, everything escaped."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mldeploy.plan.model import Plan
from mldeploy.plan.reports import words


def render(plan: Plan) -> str:
    """Write the page."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(plan=plan, words=words) + "\n"
