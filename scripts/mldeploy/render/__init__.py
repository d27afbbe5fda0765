"""Environment x release -> manifests: the bytes of `helmfile template`, from Helm's SDK in one process, cached."""

from __future__ import annotations

from mldeploy.render.manifests import Rendered, RenderedObject, parse, render, variants
from mldeploy.render.releases import Listing, Release, environments, list_releases
from mldeploy.render.selector import Selector

__all__ = [
    "Listing",
    "Release",
    "Rendered",
    "RenderedObject",
    "Selector",
    "environments",
    "list_releases",
    "parse",
    "render",
    "variants",
]
