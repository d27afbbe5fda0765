"""`mldeploy parity`: every road from this repository to a cluster deploys the same."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mldeploy import paths
from mldeploy.errors import ExitCode

if TYPE_CHECKING:
    from mldeploy.parity.parity import Result

_EPILOG = """examples:
  mldeploy parity                                  every road, environment and service
  mldeploy parity --environment prod --service ml-api

The truth is what helmfile deploys by the charts, Helm's test pods left out. Fields are compared by meaning.

exit codes: 0 all the same; 1 a road deploys something else; 2 a road could not be walked
"""


def main(argv: Sequence[str]) -> int:
    """Run the command."""
    from mldeploy.parity.parity import parity

    parser = argparse.ArgumentParser(
        prog="mldeploy parity",
        description="Compare what each road deploys: kustomize, helmify, Argo CD, Flux (docs/overlays.md).",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--environment", "-e", action="append", default=[], metavar="NAME", help="only this; repeatable"
    )
    parser.add_argument("--service", "-s", action="append", default=[], metavar="NAME", help="only this; repeatable")
    options = parser.parse_args(argv)

    results = parity(paths.checkout(), wanted=options.environment, services=options.service)
    sys.stdout.write("".join(f"{line}\n" for line in _lines(results)))
    if any(each.error for each in results):
        return ExitCode.ERROR
    return ExitCode.FINDINGS if any(each.differences for each in results) else ExitCode.CLEAN


def _lines(results: Sequence[Result]) -> list[str]:
    lines = []
    for each in results:
        where = f"{each.road.name:<16} {each.environment} {each.service}"
        if each.error:
            lines.append(f"! {where}: {each.error}")
        elif each.differences:
            lines += [f"~ {where}: {len(each.differences)} differences", *(f"    {line}" for line in each.differences)]
        else:
            lines.append(f"= {where}: {each.objects} objects")
    return lines
