"""`mldeploy schema`: writes what is generated from the charts' values, or checks that it is up to date."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mldeploy.errors import CheckFailedError, ExitCode

_EPILOG = """examples:
  mldeploy schema
  mldeploy schema --check        (exit code 1 names the stale files)
  mldeploy schema --published    (after a change of policies/crds/sources.toml)
"""


def main(argv: Sequence[str]) -> int:
    """Write the stale files, or name them and fail (--check)."""
    parser = argparse.ArgumentParser(
        prog="mldeploy schema",
        description="Write values.schema.json, README tables and editor schemas from the charts' values.yaml.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--check", action="store_true", help="write nothing; fail if a file is stale")
    chosen.add_argument(
        "--published",
        action="store_true",
        help="write what mldeploy check compares with, from the Go modules of those who publish it: the descriptions "
        "of Kubernetes' minors, and policies/crds; only stale files, and nothing is fetched for the others",
    )
    options = parser.parse_args(argv)
    from mldeploy import paths
    from mldeploy.check import published
    from mldeploy.values import schema

    root = paths.checkout()
    if options.published:
        from mldeploy.report.progress import ConsoleProgress

        progress = ConsoleProgress(paths.cache() / "durations.json")
        return _listed(root, [*published.refresh(root, progress)])
    files = schema.generate(root)
    if not options.check:
        return _listed(root, schema.write(files))
    own, others = schema.stale(files), published.stale(root)
    _listed(root, [*own, *others])
    if own or others:
        commands = [
            name for name, stale in (("mldeploy schema", own), ("mldeploy schema --published", others)) if stale
        ]
        raise CheckFailedError(
            f"{len(own) + len(others)} generated files are stale",
            remedy=f"run {' and '.join(commands)}, and commit them",
        )
    return ExitCode.CLEAN


def _listed(root: Path, changed: Sequence[Path]) -> int:
    for path in changed:
        sys.stdout.write(f"{path.relative_to(root) if path.is_relative_to(root) else path}\n")
    return ExitCode.CLEAN
