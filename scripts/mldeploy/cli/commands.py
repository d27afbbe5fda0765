"""The table of commands: name, module below `mldeploy.cli`, and the line that `mldeploy --help` shows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """One command: where its `main(argv) -> int` is, and what it is for."""

    module: str
    group: str
    summary: str


COMMANDS: dict[str, Command] = {
    "up": Command(module="up", group="Start here", summary="from a bare machine to both services smoke-tested"),
    "cluster": Command(
        module="cluster", group="Cluster", summary="up, down, status, logs, load: a real node on this machine"
    ),
    "image": Command(module="image", group="Tools", summary="build, list, load and push the service's images"),
    "tools": Command(module="tools", group="Tools", summary="install and list the pinned programs"),
    "env": Command(module="env", group="Start here", summary="print the tools and the kubeconfig for a shell's eval"),
    "doctor": Command(module="doctor", group="Start here", summary="say what is wrong on this machine, and its remedy"),
    "lint": Command(module="lint", group="Values", summary="check values as Helm reads them, at the exact line"),
    "explain": Command(module="explain", group="Values", summary="who set a value, and what it overrode; a rule"),
    "schema": Command(
        module="schema", group="Values", summary="write values.schema.json and README tables, or --check them"
    ),
    "guard": Command(module="guard", group="Deploy", summary="what must be true before helmfile changes anything"),
    "why": Command(module="why", group="Deploy", summary="what the cluster says about a release that failed"),
    "smoke": Command(module="smoke", group="Deploy", summary="ask what was deployed whether it works"),
    "forward": Command(
        module="forward", group="Deploy", summary="a local port to a service, across its pods' replacement"
    ),
    "secrets": Command(module="secrets", group="Deploy", summary="seed a store, check it before a deploy, rotate keys"),
    "published": Command(
        module="published", group="Deploy", summary="what others publish, made from pinned modules without a network"
    ),
    "gitops": Command(
        module="gitops",
        group="Deploy",
        summary="publish rendered manifests; what Argo CD and Flux deploy, and how it is",
    ),
    "charts": Command(module="charts", group="Tools", summary="package charts reproducibly, push them to a registry"),
    "github": Command(
        module="github", group="Tools", summary="steps of the GitHub workflows: comment, deployed, affected"
    ),
    "check": Command(
        module="check", group="Values", summary="schemas, policies and API versions of everything that is rendered"
    ),
    "overlay": Command(
        module="overlay",
        group="Values",
        summary="build, check: the kustomize way to the same, from charts and values",
    ),
    "parity": Command(module="parity", group="Values", summary="every road to a cluster deploys the same objects"),
    "plan": Command(
        module="plan", group="Values", summary="what a change changes in every environment, and which line did it"
    ),
}
