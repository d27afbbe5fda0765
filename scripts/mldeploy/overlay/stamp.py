"""Marks what is generated, so that it is known again: ours as it was made, ours but edited, or somebody else's."""

from __future__ import annotations

import hashlib
import re
from enum import Enum

_STAMP = re.compile(r"sha256:(?P<digest>[0-9a-f]{16})(?P<end>[^\n]*)\n")
_PLACE = "sha256:" + "0" * 16


class Origin(Enum):
    """Whose a file is."""

    OURS = "ours"
    EDITED = "edited"
    FOREIGN = "foreign"


def stamp(said: str, body: str, *, opening: str = "# ", closing: str = "") -> str:
    """Put a first line above a text: what it is, and the digest by which `origin` knows it again."""
    text = f"{opening}{said} {_PLACE}{closing}\n{body}"
    return text.replace(_PLACE, f"sha256:{_digest(text)}", 1)


def origin(text: str) -> Origin:
    """Say whose a file is."""
    match = _STAMP.search(text, 0, text.find("\n") + 1)
    if match is None or "mldeploy" not in text[: match.start()]:
        return Origin.FOREIGN
    plain = f"{text[: match.start()]}{_PLACE}{text[match.end('digest') :]}"
    return Origin.OURS if _digest(plain) == match["digest"] else Origin.EDITED


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
