"""`mldeploy guard`: refuses a kube-context that the environment does not name. helmfile's hook, so it starts fast."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from mldeploy.errors import ExitCode


def main(argv: Sequence[str]) -> int:
    """Check the context, or raise with the reason."""
    parser = argparse.ArgumentParser(
        prog="mldeploy guard",
        description="Tell whether an environment may be applied to the current kube-context (0), or not (3).",
        epilog="examples:\n  mldeploy guard dev\n  mldeploy guard prod --context ml-prod",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("environment", metavar="ENV")
    parser.add_argument("--context", default="", help="the kube-context that is to be used; default: the current one")
    parser.add_argument("--kubeconfig", default="", help="the kubeconfig file; default: KUBECONFIG or ~/.kube/config")
    options = parser.parse_args(argv)
    from mldeploy import paths
    from mldeploy.rollout import context

    context.check(paths.checkout(), options.environment, context=options.context, kubeconfig=options.kubeconfig)
    return ExitCode.CLEAN
