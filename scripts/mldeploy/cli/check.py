"""`mldeploy check`: schemas, policies, Pod Security and API versions of everything that is rendered."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from mldeploy import paths
from mldeploy.errors import ExitCode

_EPILOG = """examples:
  mldeploy check                                  every release of every environment
  mldeploy check --environment prod --output sarif > check.sarif

Policies are the files of policies/: Kubernetes' own ValidatingAdmissionPolicy, with examples that pass and fail.
"""


def main(argv: Sequence[str]) -> int:
    """Run the command."""
    from mldeploy.check import check
    from mldeploy.render import Selector
    from mldeploy.report.output import FORMATS, default_format, write

    parser = argparse.ArgumentParser(
        prog="mldeploy check",
        description="Check what is rendered against the API's schemas, the policies, Pod Security and API life cycles.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--environment", "-e", action="append", default=[], metavar="NAME", help="only this; repeatable"
    )
    parser.add_argument(
        "--selector", "-l", action="append", default=[], metavar="LABELS", help="as helmfile's; repeatable"
    )
    parser.add_argument("--output", "-o", choices=FORMATS, default=default_format(), help="default: %(default)s")
    options = parser.parse_args(argv)

    root = paths.checkout()
    report = check(root, wanted=options.environment, selector=Selector.parse(options.selector))
    write(report, options.output, root)
    return ExitCode.FINDINGS if report.findings else ExitCode.CLEAN
