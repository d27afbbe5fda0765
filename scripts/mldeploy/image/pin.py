"""Writes the service's tag into an environment's values, and touches nothing else in the file."""

from __future__ import annotations

import re
from pathlib import Path

from mldeploy.errors import MldeployError
from mldeploy.image.reference import reference

_SERVICE = "ml-service"
_TAG = re.compile(
    r"^(image:[ \t]*(?:#.*)?\n(?:(?:[ \t]+.*|[ \t]*#.*|[ \t]*)\n)*?[ \t]+tag:[ \t]*)(\"[^\"\n]*\"|'[^'\n]*'|[^\s#]+)",
    re.MULTILINE,
)


def pin(root: Path, environment: str) -> bool:
    """Set `image.tag` in `values/<environment>/values.yaml` to the tag that the service's sources have now.

    Returns:
        Whether the file changed.

    Raises:
        MldeployError: no such environment, or its file has no `image.tag` to set.
    """
    path = root / "values" / environment / "values.yaml"
    try:
        before = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        known = sorted(folder.name for folder in (root / "values").iterdir() if folder.is_dir())
        raise MldeployError(f"{environment}: no such environment", remedy=f"one of {', '.join(known)}") from None
    tag = reference(root, _SERVICE).rpartition(":")[2]
    after, found = _TAG.subn(lambda match: f'{match[1]}"{tag}"', before, count=1)
    if not found:
        raise MldeployError(f"{path}: has no image.tag", remedy='add it:\n  image:\n    tag: ""')
    if after == before:
        return False
    partial = path.with_suffix(".partial")
    partial.write_bytes(after.encode())
    partial.replace(path)
    return True
