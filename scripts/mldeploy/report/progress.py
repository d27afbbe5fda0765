"""Draws steps on stderr: live with elapsed time on a terminal, one line at start and end elsewhere."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from mldeploy.progress import Step

_LOG_EVERY_S = 20.0


class ConsoleProgress:
    """Shows what is being done, how far it is, and how long it took last time; safe to use from several threads.

    Args:
        history: file that keeps each step's last duration in seconds, by key; unreadable content is ignored.
    """

    def __init__(self, history: Path) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._live = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TextColumn("{task.fields[detail]}"),
            console=self._console,
            transient=True,
        )
        self._history = history
        self._lock = threading.Lock()
        self._open = 0

    def note(self, text: str) -> None:
        """See `mldeploy.progress.Progress.note`."""
        self._print(text)

    @contextmanager
    def step(self, title: str, *, key: str | None = None) -> Iterator[Step]:
        """See `mldeploy.progress.Progress.step`."""
        last = self._durations().get(key) if key else None
        expectation = f"last time {_duration(last)}" if last is not None else ""
        terminal = self._console.is_terminal
        if not terminal:
            self._print(f"... {title}" + (f" ({expectation})" if expectation else ""))
        task = self._begin(title, expectation)
        began = time.monotonic()
        ended = "stopped"
        try:
            yield _LiveStep(self._live, task, expectation) if terminal else _LoggedStep(self._print, title, began)
            ended = "ok"
        finally:
            seconds = time.monotonic() - began
            self._end(task)
            mark = {"ok": "✓", "stopped": "✗"}[ended] if terminal else ended
            self._print(f"{mark} {title} ({_duration(seconds)})", style={"ok": "green", "stopped": "red"}[ended])
        if key:
            self._remember(key, seconds)

    def _begin(self, title: str, detail: str) -> TaskID:
        with self._lock:
            if self._open == 0 and self._console.is_terminal:
                self._live.start()
            self._open += 1
            return self._live.add_task(title, total=None, detail=detail)

    def _end(self, task: TaskID) -> None:
        with self._lock:
            self._live.remove_task(task)
            self._open -= 1
            if self._open == 0 and self._console.is_terminal:
                self._live.stop()

    def _print(self, text: str, *, style: str | None = None) -> None:
        # Never wrapped: a log is searched by line, and a terminal wraps by itself.
        self._console.print(text, markup=False, soft_wrap=True, style=style)

    def _durations(self) -> dict[str, float]:
        try:
            stored = json.loads(self._history.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return stored if isinstance(stored, dict) else {}

    def _remember(self, key: str, seconds: float) -> None:
        with self._lock:
            durations = self._durations() | {key: round(seconds, 1)}
            temporary = self._history.with_suffix(f".{os.getpid()}")
            try:
                self._history.parent.mkdir(parents=True, exist_ok=True)
                temporary.write_text(json.dumps(durations, indent=0, sort_keys=True), "utf-8")
                temporary.replace(self._history)
            except OSError:
                # How long it took last time is a courtesy: a full disk is reported by the step that needs the space.
                return


class _LiveStep:
    def __init__(self, live: Progress, task: TaskID, expectation: str) -> None:
        self._live, self._task, self._expectation = live, task, expectation

    def update(self, detail: str, *, done: float | None = None) -> None:
        text = f"{detail}; {self._expectation}" if self._expectation else detail
        if done is None:
            self._live.update(self._task, detail=text)
        else:
            self._live.update(self._task, detail=text, completed=done * 100, total=100)


class _LoggedStep:
    """Where lines stay, as in the log of a CI job: one now and then, so that a long step does not look dead."""

    def __init__(self, write: Callable[[str], None], title: str, began: float) -> None:
        self._write, self._title, self._began = write, title, began
        self._last = began

    def update(self, detail: str, *, done: float | None = None) -> None:
        now = time.monotonic()
        if now - self._last < _LOG_EVERY_S:
            return
        self._last = now
        share = "" if done is None else f", {done:.0%}"
        self._write(f"... {self._title}: {detail} ({_duration(now - self._began)}{share})")


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds) // 60} min {int(seconds) % 60} s"
