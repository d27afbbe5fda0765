"""All that can be made here instead of being fetched from its publisher."""

from __future__ import annotations

from mldeploy.errors import MldeployError
from mldeploy.published.external_secrets import EXTERNAL_SECRETS
from mldeploy.published.keda import KEDA
from mldeploy.published.source import Source

SOURCES: dict[str, Source] = {source.name: source for source in (EXTERNAL_SECRETS, KEDA)}


def source(name: str) -> Source:
    """Find a source by the name of its release.

    Raises:
        MldeployError: there is none.
    """
    try:
        return SOURCES[name]
    except KeyError:
        raise MldeployError(
            f"{name}: cannot be made here", remedy=f"what can: {', '.join(SOURCES)}; the rest comes from its publisher"
        ) from None
