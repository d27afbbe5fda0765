"""Whether an environment has, or ever had, a value: from its files now, and from git's history of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mldeploy.errors import MldeployError
from mldeploy.values.quantity import lookup
from mldeploy.values.reader import parse

if TYPE_CHECKING:
    from mldeploy.values.document import Value
    from mldeploy.values.layered import Layered
    from mldeploy.values.lint import Subject

_GIT_TIMEOUT_S = 20.0
_MOST_COMMITS = 50


def was_in(subject: Subject, layered: Layered, environment: str, keys: tuple[str, ...], value: Value) -> bool:
    """Tell whether the same service has `value` at `keys` in another environment, or had it in an earlier commit."""
    for other in subject.releases:
        if other.release.environment == environment and other.release.service == layered.release.service:
            if lookup(other.values, *keys) == value:
                return True
            return any(_had(subject.workspace.root, path, keys, value) for path in other.release.files)
    return False


def _had(root: Path, path: Path, keys: tuple[str, ...], value: Value) -> bool:
    from mldeploy import process

    name = path.relative_to(root).as_posix()
    git = ["git", "-C", str(root)]
    try:
        search = [*git, "log", f"-{_MOST_COMMITS}", "--format=%H", f"-S{value}", "--", name]
        commits = process.run(search, timeout_s=_GIT_TIMEOUT_S).stdout.split()
        for commit in commits:
            shown = process.run([*git, "show", f"{commit}:./{name}"], timeout_s=_GIT_TIMEOUT_S, ok=(0, 128))
            if shown.returncode == 0 and lookup(parse(shown.stdout.encode(), path).values, *keys) == value:
                return True
    except MldeployError:
        # No git checkout, no history: only what the files say now counts.
        return False
    return False
