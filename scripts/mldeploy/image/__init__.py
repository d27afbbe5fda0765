"""Images: built from the checkout, tagged by what is in them, kept in the cache, pushed to a registry."""

from __future__ import annotations

from mldeploy.image.build import BuiltImage, build, cached
from mldeploy.image.recipes import RECIPES
from mldeploy.image.reference import reference

# What a deployment of this checkout needs.
IMAGES = tuple(RECIPES)

__all__ = ["IMAGES", "BuiltImage", "build", "cached", "reference"]
