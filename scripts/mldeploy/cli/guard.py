"""`mldeploy guard`: what must be true before helmfile changes anything. Its hook, so it starts fast."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from mldeploy.errors import ExitCode

# It changes nothing, and passes through the same hook.
_TEST = "test"


def main(argv: Sequence[str]) -> int:
    """Check the context and, for a helmfile, hold the namespace; or raise with the reason."""
    parser = argparse.ArgumentParser(
        prog="mldeploy guard",
        description="Tell whether an environment may be applied to the current kube-context (0), or not (3).",
        epilog="examples:\n  mldeploy guard dev\n  mldeploy guard prod --context ml-prod",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("environment", metavar="ENV")
    parser.add_argument("--context", default="", help="the kube-context that is to be used; default: the current one")
    parser.add_argument("--kubeconfig", default="", help="the kubeconfig file; default: KUBECONFIG or ~/.kube/config")
    parser.add_argument(
        "--helmfile",
        nargs=4,
        metavar=("PID", "COMMAND", "NAMESPACE", "RELEASE"),
        help="a running helmfile: hold the namespace until it ends, and bring the release out of an unfinished state",
    )
    options = parser.parse_args(argv)
    from mldeploy import paths
    from mldeploy.rollout import context

    name = context.check(paths.checkout(), options.environment, context=options.context, kubeconfig=options.kubeconfig)
    if options.helmfile is None or options.helmfile[1] == _TEST:
        return ExitCode.CLEAN
    from mldeploy.rollout import holding

    pid, command, namespace, release = options.helmfile
    change = holding.Change(int(pid), command, namespace, release, context=name, kubeconfig=options.kubeconfig)
    holding.begin(change, lambda line: _tell(change.helmfile, line))
    return ExitCode.CLEAN


def _tell(helmfile: int, line: str) -> None:
    # helmfile shows nothing of a hook that succeeds, so this goes to where its own messages go; a socket takes nothing.
    with suppress(OSError), Path(f"/proc/{helmfile}/fd/2").open("a", encoding="utf-8") as stream:
        stream.write(f"{line}\n")
