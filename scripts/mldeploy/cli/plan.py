"""`mldeploy plan`: what a change to the repository changes, in every environment."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from mldeploy import paths
from mldeploy.errors import ExitCode

_EPILOG = """examples:
  mldeploy plan                                     what the working tree changes since it left the main branch
  mldeploy plan --base HEAD~1 --head HEAD           what the last commit changed
  mldeploy plan --environment prod --selector service=ml-api
  mldeploy plan --output html > plan.html           one page that needs nothing else
  mldeploy plan --live --drift --environment prod   what an apply would change in the current kube-context, and what
                                                    somebody edited there

exit codes: 0 planned; 1 something changes, with --detailed-exitcode; 2 a part could not be planned
"""


def main(argv: Sequence[str]) -> int:
    """Run the command."""
    from mldeploy.plan.live import Live
    from mldeploy.plan.planner import plan, plan_live
    from mldeploy.plan.reports import FORMATS, write
    from mldeploy.plan.sides import WORKTREE
    from mldeploy.render import Selector, environments
    from mldeploy.rollout import context

    parser = argparse.ArgumentParser(
        prog="mldeploy plan",
        description="Render two states of the repository and say what differs, what it means, and why.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--base", metavar="REF", help="compare with it (default: where the head left the main branch)")
    parser.add_argument("--head", metavar="REF", default=WORKTREE, help="what to plan (default: %(default)s, as it is)")
    parser.add_argument(
        "--environment", "-e", action="append", default=[], metavar="NAME", help="only this; repeatable"
    )
    parser.add_argument(
        "--selector", "-l", action="append", default=[], metavar="LABELS", help="as helmfile's; repeatable"
    )
    form = "github" if os.environ.get("GITHUB_ACTIONS") == "true" else "text"
    parser.add_argument("--output", "-o", choices=FORMATS, default=form, help="default: %(default)s")
    parser.add_argument("--detailed-exitcode", action="store_true", help="end with 1 when something changes")
    parser.add_argument("--live", action="store_true", help="compare with the current kube-context instead of a base")
    parser.add_argument("--drift", action="store_true", help="with --live: find what was edited in the cluster, too")
    options = parser.parse_args(argv)
    if options.drift and not options.live:
        parser.error("--drift needs --live")
    if options.live and options.base:
        parser.error("--live compares with a cluster, --base with a commit: choose one")

    root, selector = paths.checkout(), Selector.parse(options.selector)
    if options.live:
        wanted = options.environment or environments(root)[:1]
        for name in wanted:
            context.check(root, name)
        found = plan_live(root, Live(), head=options.head, wanted=wanted, selector=selector, drift=options.drift)
    else:
        found = plan(root, base=options.base, head=options.head, wanted=options.environment, selector=selector)
    sys.stdout.write(write(found, options.output))
    if found.failed:
        return ExitCode.ERROR
    return ExitCode.FINDINGS if found.affected and options.detailed_exitcode else ExitCode.CLEAN
