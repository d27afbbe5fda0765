"""Which values files differ from a git revision."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mldeploy import process
from mldeploy.errors import MldeployError

_GIT_TIMEOUT_S = 30.0


def changed_files(root: Path, reference: str, within: Sequence[Path]) -> list[Path]:
    """List the YAML and schema files that differ from `reference`, new ones included.

    Args:
        root: the checkout.
        reference: a git revision; files are compared with what it has in common with the current one.
        within: only files in these files or folders; empty: all.

    Raises:
        MldeployError: not a git checkout, or no such revision.
    """
    try:
        common = _git(root, "merge-base", "HEAD", reference)[0]
        names = _git(root, "diff", "--name-only", "--diff-filter=d", "--relative", "-z", common)
        names += _git(root, "ls-files", "--others", "--exclude-standard", "-z")
    except process.ProcessError as error:
        raise MldeployError(
            f"git cannot compare the files with '{reference}'", remedy="name a revision that this checkout has"
        ) from error
    limits = [path.resolve() for path in within]
    files = [root / name for name in names if name.endswith((".yaml", ".yml", "values.schema.json"))]
    return [file for file in files if not limits or any(file == one or one in file.parents for one in limits)]


def _git(root: Path, *words: str) -> list[str]:
    done = process.run(["git", "-C", root, *words], timeout_s=_GIT_TIMEOUT_S)
    return [name for name in done.stdout.replace("\n", "\0").split("\0") if name]
