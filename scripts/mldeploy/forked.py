"""Does a part of some work in a fork of this process, which has everything loaded already.

`process` starts programs; this only divides our own work, where starting Python again would cost more than it saves.
Nothing here may be used once threads run.
"""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable
from typing import Generic, NoReturn, TypeVar

from mldeploy.errors import ExitCode, MldeployError

_T = TypeVar("_T")


class Fork(Generic[_T]):
    """A child process that works something out; a context manager, at whose end the child has ended.

    Args:
        work: what to do there; its result must be picklable, and it must not write to stdout.
    """

    def __init__(self, work: Callable[[], _T]) -> None:
        reader, writer = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(reader)
            _child(work, writer)
        os.close(writer)
        self._answer = os.fdopen(reader, "rb")

    def __enter__(self) -> Fork[_T]:
        return self

    def __exit__(self, *_: object) -> None:
        self._answer.close()
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)

    def result(self) -> _T:
        """Wait for the child's end and give what it worked out.

        Raises:
            MldeployError: it was killed, or failed (its traceback is on stderr).
        """
        data = self._answer.read()
        code = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        self._pid = 0
        if code == ExitCode.INTERRUPTED:
            raise KeyboardInterrupt
        if code:
            how = f"ended with {code}" if code > 0 else f"was killed by signal {-code}"
            memory = " (a machine short of memory does that)" if code == -signal.SIGKILL else ""
            raise MldeployError(f"a process that did a part of the work {how}{memory}", remedy="run it again")
        answer: _T = pickle.loads(data)  # noqa: S301 - our own child wrote it
        return answer


def _child(work: Callable[[], object], writer: int) -> NoReturn:
    # Never returns into the parent's code, and leaves the parent's buffers and exit handlers alone.
    code = 1
    try:
        data = pickle.dumps(work(), pickle.HIGHEST_PROTOCOL)
        with os.fdopen(writer, "wb") as answer:
            answer.write(data)
        code = 0
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    except BrokenPipeError:
        pass  # the parent has gone
    except BaseException:  # noqa: BLE001 - told here, since nothing above may see it
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)
