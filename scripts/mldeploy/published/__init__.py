"""What others publish, from its pinned Go module: images and charts for where registries and repositories are away."""

from __future__ import annotations

from mldeploy.published.images import BuiltImages, build
from mldeploy.published.prepare import prepare
from mldeploy.published.sources import SOURCES

__all__ = ["SOURCES", "BuiltImages", "build", "prepare"]
