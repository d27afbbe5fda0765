"""`mldeploy lint`: values, in Helm's dialect, at the exact line."""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mldeploy import paths
from mldeploy.errors import ExitCode

if TYPE_CHECKING:
    from mldeploy.values.problem import Problem

_EPILOG = """\
examples:
  mldeploy lint                            everything that is deployed from this checkout
  mldeploy lint values/prod                one environment's files
  mldeploy lint --changed origin/main      files that differ from a branch
  mldeploy lint --fix                      correct what needs no judgement
  mldeploy lint --output sarif > out.sarif
  mldeploy explain unknown-key             what a rule means

A finding is ignored by a comment on its line, or alone on the line above: # lint-ignore RULE: reason
Exit codes: 0 nothing found, 1 findings, 2 the checkout cannot be read.
"""


def main(argv: Sequence[str]) -> int:
    """Run `mldeploy lint`."""
    options = _parser().parse_args(argv)
    began = time.perf_counter()
    # Everything that is read stays until the process ends, and collecting it again and again is most of the time.
    gc.disable()
    root = paths.checkout()
    from mldeploy.values.lint import lint

    chosen = [Path(path) for path in options.paths]
    if options.changed is not None:
        from mldeploy.values.changed import changed_files

        chosen = changed_files(root, options.changed, chosen)
        if not chosen:
            return _report(root, [], 0, began, options)
    more: tuple[Problem, ...] = ()
    if options.dead:
        from mldeploy.cli.rendering import renderer
        from mldeploy.values.dead import dead_values
        from mldeploy.values.layers import Workspace

        more = tuple(dead_values(Workspace(root), renderer(root)))
    result = lint(root, chosen, more)
    if options.fix:
        from mldeploy.values.fix import fix

        result = fix(root, chosen, result)
    problems = result.problems
    if options.write_baseline or options.baseline:
        from mldeploy.values import baseline

        if options.write_baseline:
            baseline.write(Path(options.write_baseline), problems, root)
            return ExitCode.CLEAN
        problems = baseline.new_ones(Path(options.baseline), problems, root)
    return _report(root, problems, len(result.files), began, options)


def _report(root: Path, problems: Sequence[Problem], files: int, began: float, options: argparse.Namespace) -> int:
    from mldeploy.cli.findings import findings
    from mldeploy.report.finding import Report
    from mldeploy.report.output import default_format, write
    from mldeploy.values.rules import DOCUMENTATION

    found = findings(problems, root)
    report = Report("mldeploy lint", found, (files, "files"), time.perf_counter() - began, DOCUMENTATION)
    write(report, options.output or default_format(), root)
    return ExitCode.FINDINGS if found else ExitCode.CLEAN


def _parser() -> argparse.ArgumentParser:
    from mldeploy.report.output import FORMATS

    parser = argparse.ArgumentParser(
        prog="mldeploy lint",
        description="Check values files as Helm reads them: schema, misspelt keys, traps, secrets, sizes.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="*", metavar="PATH", help="report only what is in these files or folders")
    parser.add_argument("--output", choices=FORMATS, help="default: github inside GitHub Actions, else text")
    parser.add_argument("--dead", action="store_true", help="find values that no render reads, too; takes seconds")
    parser.add_argument("--fix", action="store_true", help="correct what needs no judgement")
    parser.add_argument(
        "--changed", nargs="?", const="HEAD", metavar="REF", help="only files that differ from REF (default: HEAD)"
    )
    parser.add_argument("--baseline", metavar="FILE", help="leave out what FILE lists")
    parser.add_argument("--write-baseline", metavar="FILE", help="list what is found now in FILE")
    return parser
