"""Entry point of the image: `python3 -m ml_service api|worker|submit`; each imports only what it needs."""

from __future__ import annotations

import sys

USAGE = "usage: ml_service api | worker [--drain] | submit [--timeout SECONDS] < BODY.json"


def main(words: list[str]) -> int:
    """Run the entry point that the first word names.

    Returns:
        The process's exit code: 0 done, 1 failed, 2 wrong usage or configuration.
    """
    from ml_service.settings import SettingsError

    try:
        match words:
            case [] | ["api"]:
                from ml_service.server import serve

                return serve()
            case ["worker"] | ["worker", "--drain"]:
                from ml_service.worker import work

                return work(until_empty=len(words) == 2)
            case ["submit"]:
                from ml_service.submit import submit

                return submit(sys.stdin.buffer.read())
            case ["submit", "--timeout", seconds] if seconds.isdecimal():
                from ml_service.submit import submit

                return submit(sys.stdin.buffer.read(), timeout_s=float(seconds))
    except SettingsError as error:
        sys.stderr.write(f"ml_service: {error}\n")
        return 2
    sys.stderr.write(f"{USAGE}\n")
    return 0 if words in (["-h"], ["--help"]) else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
