"""`mldeploy overlay`: the kustomize way to the same objects. helmfile's hooks run it, so it starts fast."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from mldeploy import paths
from mldeploy.errors import ExitCode

_EPILOG = """examples:
  mldeploy overlay build                     make base and overlays again, after values or charts changed
  mldeploy overlay check                     say which of them are not up to date (1), as CI does
  mldeploy overlay chart ml-api staging      give deployments/kustomize/ml-api staging's objects: helmify build
  mldeploy overlay clean ml-api staging      take them away again: helmify clean

exit codes: 0 done; 1 out of date, or a hand-written patch and values set the same; 2 an error; 3 refused
"""


def main(argv: Sequence[str]) -> int:
    """Run one of the sub-commands."""
    parser = argparse.ArgumentParser(
        prog="mldeploy overlay",
        description="Kustomize overlays from charts and values, proven equal to the charts (docs/overlays.md).",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb, text in (("build", "write base and overlays"), ("check", "tell what is not up to date")):
        one = verbs.add_parser(verb, help=text)
        one.add_argument("services", nargs="*", metavar="SERVICE", help="default: all")
    for verb, text in (("chart", "write the chart's templates/all.yaml"), ("clean", "remove it")):
        one = verbs.add_parser(verb, help=text)
        one.add_argument("service", metavar="SERVICE")
        one.add_argument("environment", metavar="ENV")
    options = parser.parse_args(argv)
    if options.verb in {"build", "check"}:
        return _files(options.verb, options.services)
    return _chart(options.verb, options.service, options.environment)


def _files(verb: str, services: Sequence[str]) -> int:
    from mldeploy.overlay import files
    from mldeploy.report.progress import ConsoleProgress

    root = paths.checkout()
    if verb == "build":
        changed = files.build(root, services, ConsoleProgress(paths.cache() / "durations.json"))
        sys.stdout.write("".join(f"{path}\n" for path in changed))
        return ExitCode.CLEAN
    told = files.check(root, services)
    sys.stdout.write("".join(f"{line}\n" for line in told))
    if told:
        first = "" if all(each.ours for each in told) else "look at what people wrote or edited; then "
        sys.stderr.write(
            f"mldeploy: not up to date\n  -> {first}run mldeploy overlay build, and commit what it writes\n"
        )
    return ExitCode.FINDINGS if told else ExitCode.CLEAN


def _chart(verb: str, service: str, environment: str) -> int:
    from mldeploy.overlay import chart

    root = paths.checkout()
    if verb == "chart":
        sys.stdout.write(f"{chart.build(root, service, environment).relative_to(root)}\n")
    elif left := chart.clean(root, service, environment):
        sys.stderr.write(f"{left}\n")
    return ExitCode.CLEAN
