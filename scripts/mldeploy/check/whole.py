"""Objects as the judges of others are given them."""

from __future__ import annotations

from typing import Any

from mldeploy.plan.objects import Manifested

_SECRET_KEYS = ("data", "stringData")


def complete(each: Manifested) -> dict[str, Any]:
    """Give an object with the namespace that it will be in, and without the data of a Secret."""
    metadata = each.data.get("metadata")
    own = {**(metadata if isinstance(metadata, dict) else {}), "namespace": each.namespace}
    return {**without_secrets(each.data), "metadata": own}


def without_secrets(data: dict[str, Any]) -> dict[str, Any]:
    """Empty what a Secret holds; its keys stay."""
    if data.get("kind") != "Secret":
        return data
    emptied = {key: dict.fromkeys(data[key], "") for key in _SECRET_KEYS if isinstance(data.get(key), dict)}
    return {**data, **emptied}
