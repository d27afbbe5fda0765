"""Images: built from the checkout, tagged by what is in them, kept in the cache, pushed to a registry."""

from __future__ import annotations

from mldeploy.image.build import build, cached
from mldeploy.image.layered import Layered, build_layered
from mldeploy.image.recipes import RECIPES
from mldeploy.image.reference import reference
from mldeploy.image.store import BuiltImage

# What a deployment of this checkout needs.
IMAGES = tuple(RECIPES)

__all__ = ["IMAGES", "BuiltImage", "Layered", "build", "build_layered", "cached", "reference"]
