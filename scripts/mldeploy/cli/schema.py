"""`mldeploy schema`: writes what is generated from the charts' values, or checks that it is up to date."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from mldeploy.errors import CheckFailedError, ExitCode


def main(argv: Sequence[str]) -> int:
    """Write the stale files, or name them and fail (--check)."""
    parser = argparse.ArgumentParser(
        prog="mldeploy schema",
        description="Write values.schema.json, README tables and editor schemas from the charts' values.yaml.",
        epilog="examples:\n  mldeploy schema\n  mldeploy schema --check    (exit code 1 names the stale files)",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is stale")
    options = parser.parse_args(argv)
    from mldeploy import paths
    from mldeploy.values import schema

    root = paths.checkout()
    files = schema.generate(root)
    changed = schema.stale(files) if options.check else schema.write(files)
    for path in changed:
        sys.stdout.write(f"{path.relative_to(root)}\n")
    if options.check and changed:
        raise CheckFailedError(
            f"{len(changed)} generated files are stale", remedy="run mldeploy schema and commit them"
        )
    return ExitCode.CLEAN
