"""Writes the service's tag into an environment's values, and touches nothing else in the file."""

from __future__ import annotations

from pathlib import Path

import yaml

from mldeploy.errors import MldeployError
from mldeploy.image.reference import reference

_SERVICE = "ml-service"


def pin(root: Path, environment: str) -> bool:
    """Set `image.tag` in `values/<environment>/values.yaml` to the tag that the service's sources have now.

    Returns:
        Whether the file changed.

    Raises:
        MldeployError: no such environment, or its file is no YAML or has no `image.tag` to set.
    """
    path = root / "values" / environment / "values.yaml"
    try:
        before = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        known = sorted(folder.name for folder in (root / "values").iterdir() if folder.is_dir())
        raise MldeployError(f"{environment}: no such environment", remedy=f"one of {', '.join(known)}") from None
    try:
        tag = _value(_value(yaml.compose(before, Loader=yaml.SafeLoader), "image"), "tag")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise MldeployError(f"{path}{place}: {error.problem}", remedy="correct the file") from error
    if not isinstance(tag, yaml.ScalarNode):
        raise MldeployError(f"{path}: has no image.tag", remedy='add it:\n  image:\n    tag: ""')
    wanted = '"' + reference(root, _SERVICE).rpartition(":")[2] + '"'
    if tag.start_mark.index == tag.end_mark.index:
        # `tag:` with nothing after it.
        wanted = f" {wanted}"
    after = before[: tag.start_mark.index] + wanted + before[tag.end_mark.index :]
    if after == before:
        return False
    partial = path.with_suffix(".partial")
    partial.write_bytes(after.encode())
    partial.replace(path)
    return True


def _value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    # Of a key that is there twice, Helm takes the last.
    return next((value for name, value in reversed(node.value) if name.value == key), None)
