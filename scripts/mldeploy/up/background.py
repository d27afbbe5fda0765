"""A command of our own that runs beside the main sequence, and is ended with it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mldeploy.errors import MldeployError
from mldeploy.process import Child, start, terminate

_SHOWN_LINES = 15


class Background:
    """One `mldeploy` command under way; its messages go to a log file.

    A process, not a thread: Ctrl-C and a failure of the main sequence can end it at once, with what it started.
    """

    def __init__(self, child: Child, log: Path, words: Sequence[str]) -> None:
        self._child, self._log, self._words = child, log, words

    def wait(self) -> None:
        """Wait for its end, however long it takes: the command has deadlines of its own.

        Raises:
            MldeployError: it failed; with the last lines that it wrote.
        """
        if self._child.wait() == 0:
            return
        tail = self._log.read_text("utf-8", errors="replace").strip().splitlines()[-_SHOWN_LINES:]
        raise MldeployError(
            f"mldeploy {' '.join(self._words)} failed:" + "".join(f"\n  {line}" for line in tail),
            remedy=f"mend the cause and run the same command again (all of its messages: {self._log})",
        )


@contextmanager
def background(words: Sequence[str], log: Path, *, cwd: Path) -> Iterator[Background]:
    """Run `mldeploy *words` beside the block; when the block is left, by an exception too, it is ended.

    Args:
        words: the command and its options.
        log: file that receives its stdout and stderr; made anew.
        cwd: the checkout that it works on.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as stream:
        child = start([sys.executable, "-m", "mldeploy.cli.main", *words], cwd=cwd, stdout=stream, stderr=stream)
    try:
        yield Background(child, log, words)
    finally:
        terminate(child)
