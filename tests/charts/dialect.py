"""Helm's own reader of values, for the tests that compare ours with it."""

from __future__ import annotations

import base64
import json
import subprocess
from typing import Any

from mldeploy import process
from mldeploy.toolchain import tool


class Dialect:
    """Helm's reader, asked over a pipe."""

    def __init__(self) -> None:
        self._child = process.start([tool("mldeploy-dialect")], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def read(self, *texts: bytes) -> dict[str, Any]:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(json.dumps([base64.b64encode(text).decode() for text in texts]) + "\n")
        self._child.stdin.flush()
        answer: dict[str, Any] = json.loads(self._child.stdout.readline())
        return answer

    def close(self) -> None:
        process.terminate(self._child)
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                pipe.close()


def same(ours: object, theirs: object) -> bool:
    """Compare values and types, as JSON has them: numbers are float64."""
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return ours is theirs
    if isinstance(ours, int | float) and isinstance(theirs, int | float):
        return float(ours) == float(theirs)
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return type(ours) is type(theirs) and ours == theirs
