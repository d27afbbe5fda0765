"""A branch of published manifests: a commit is made beside the checkout, and the branch is moved to it, or is not."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mldeploy import paths
from mldeploy.errors import MldeployError, RefusedError
from mldeploy.gitops.git import attempt, git
from mldeploy.process import Completed

_ATTEMPTS = 5
_NO_COMMIT = "0" * 40
_NONE_THERE = 2
# A token is a password too, and over HTTP it stands where a user would.
_WITH_PASSWORD = re.compile(r"https?://[^/@]*@|\w+://[^/@]*:[^/@]*@")
# A published file is what it is, whatever this machine's settings make of files.
_AS_IT_IS = ("-c", "core.autocrlf=false", "-c", "core.attributesFile=", "-c", "core.safecrlf=false")

Change = Callable[[Path], str]


@dataclass(frozen=True)
class Branch:
    """A branch of this clone, or of a remote.

    Attributes:
        root: a checkout of the clone; its files, index and branches are left alone, but for the branch itself.
        name: the branch's.
        remote: the remote that has it; "": it is this clone's own.
    """

    root: Path
    name: str
    remote: str = ""

    def check(self) -> None:
        """Refuse what can be no branch of published manifests, before anything is rendered.

        Raises:
            RefusedError: the branch is checked out, or the remote is given with a password.
            MldeployError: it is no name for a branch.
        """
        if attempt(self.root, "check-ref-format", "--branch", self.name).returncode != 0:
            raise MldeployError(f"{self.name!r} is no name for a branch", remedy="see git help check-ref-format")
        if any(_WITH_PASSWORD.match(url) for url in self._urls()):
            # git hands it to a process of its own as an argument.
            raise RefusedError(
                "the remote's URL has a password or a token in it, which every process of this machine could read",
                remedy="take it out of the URL, and give it to git's credential helper",
            )
        where = git(self.root, "for-each-ref", "--format=%(worktreepath)", self._ref)
        if where and not self.remote:
            raise RefusedError(
                f"{self.name}: is checked out in {where}, so it cannot be moved",
                remedy="publish to a branch of its own, such as --branch rendered",
            )

    def update(self, change: Callable[[Path], str]) -> str:
        """Put a change on top of the branch.

        Args:
            change: given a folder with the branch's files, it edits them and gives the commit's message, or "" where
                nothing is to be done. It is called again when somebody else moved the branch meanwhile.

        Returns:
            The new commit; "" where nothing was to be done.

        Raises:
            RefusedError: the branch moves faster than this can follow.
            MldeployError: git fails: no identity, no access, a protected branch.
        """
        paths.state(self.root).mkdir(mode=0o700, exist_ok=True)
        for _ in range(_ATTEMPTS):
            tip = self.tip()
            with tempfile.TemporaryDirectory(prefix="publish-", dir=paths.state(self.root)) as folder:
                commit = self._commit(Path(folder), tip, change)
            if not commit or self._move(tip, commit):
                return commit
        raise RefusedError(
            f"{self.name}: somebody else published {_ATTEMPTS} times meanwhile",
            remedy="run this again when it is quiet",
        )

    def _urls(self) -> Iterator[str]:
        """Give what the remote is, and then the URLs of it if that is a name: one with a password is no argument."""
        yield self.remote
        for way in ((), ("--push",)) if self.remote else ():
            found = attempt(self.root, "remote", "get-url", "--all", *way, "--", self.remote)
            if found.returncode == 0:
                yield from found.stdout.splitlines()

    @property
    def _ref(self) -> str:
        return f"refs/heads/{self.name}"

    def tip(self) -> str:
        """Give the branch's commit, which this clone then has; "" where there is no such branch."""
        if not self.remote:
            return attempt(self.root, "rev-parse", "--verify", "--quiet", self._ref).stdout.strip()
        asked = attempt(self.root, "ls-remote", "--exit-code", "--", self.remote, self._ref)
        if asked.returncode == _NONE_THERE:
            return ""
        if asked.returncode != 0:
            raise self._failed("cannot be asked", asked)
        tip = asked.stdout.split()[0]
        if attempt(self.root, "cat-file", "-e", f"{tip}^{{tree}}").returncode != 0:
            git(self.root, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", self.remote, self._ref)
        return tip

    def _commit(self, folder: Path, tip: str, change: Change) -> str:
        # Named as the branch is: it is what messages about the folder name.
        files = folder / self.name.replace("/", "-")
        files.mkdir()
        here = ("--git-dir", git(self.root, "rev-parse", "--absolute-git-dir"), "--work-tree", files, *_AS_IT_IS)
        index = {"GIT_INDEX_FILE": str(folder / "index")}
        if tip:
            git(files, *here, "read-tree", "--reset", "-u", tip, env=index)
        message = change(files)
        if not message:
            return ""
        git(files, *here, "add", "--all", "--force", ".", env=index)
        tree = git(files, *here, "write-tree", env=index)
        parents = ["-p", tip] if tip else []
        return git(self.root, "commit-tree", *parents, "-F", "-", tree, input_text=message)

    def _move(self, tip: str, commit: str) -> bool:
        """Move the branch; False where it is no longer where it was."""
        if self.remote:
            moved = attempt(self.root, "push", "--porcelain", "--", self.remote, f"{commit}:{self._ref}")
        else:
            said = ("-m", "mldeploy gitops publish")
            moved = attempt(self.root, "update-ref", *said, self._ref, commit, tip or _NO_COMMIT)
        if moved.returncode != 0 and self.tip() == tip:
            raise self._failed("cannot be pushed to" if self.remote else "cannot be moved", moved)
        return moved.returncode == 0

    def _failed(self, what: str, done: Completed) -> MldeployError:
        place = f"{self.name} of {self.remote}" if self.remote else self.name
        said = " ".join((done.stderr.strip() or done.stdout.strip()).split())
        return MldeployError(f"{place}: {what}: {said}", remedy="mend it, and run this again: nothing was published")
