"""`mldeploy why`: why a release failed, and what of it serves. helmfile's hook after a failed sync."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from mldeploy.errors import ExitCode


def main(argv: Sequence[str]) -> int:
    """Print the causes, then what of the release serves, one a line."""
    parser = argparse.ArgumentParser(
        prog="mldeploy why",
        description="Tell why a release failed (warnings of the last ten minutes about it), and what of it serves.",
        epilog="example:\n  mldeploy why dev dev-ml-api",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("namespace", metavar="NAMESPACE")
    parser.add_argument("release", metavar="RELEASE")
    parser.add_argument("--context", default="", help="the kube-context; default: the current one")
    options = parser.parse_args(argv)
    from mldeploy.rollout import failure, standing

    for tell in (failure.causes, standing.standing):
        for line in tell(options.namespace, options.release, context=options.context):
            sys.stdout.write(f"{options.release}: {line}\n")
    return ExitCode.CLEAN
