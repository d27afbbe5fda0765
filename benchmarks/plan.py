"""How fast a plan is: between two commits, and against a cluster beside `helmfile diff` in the same run.

    sudo python benchmarks/plan.py                 26 releases against a cluster, and growth from 2 to 500 without one
    python benchmarks/plan.py --no-cluster

Between commits there is no peer: nothing else compares two commits without a cluster. One value differs; "nothing
cached" has an empty cache folder. Against the cluster nothing differs; it is an API server alone, since neither side
looks at pods. Medians of wall-clock seconds, CPU seconds with all children, the largest resident set of any process.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.render import ENVIRONMENT, checkout, empty_cache, measured, medians, report
from mldeploy import process
from mldeploy.render import list_releases
from mldeploy.toolchain import tool, tool_environment

_GROWTH = (2, 5, 10, 20, 50, 100, 200, 500)
_ASKED_S = 1.0
_IDENTITY = {f"GIT_{who}_{what}": "bench@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def _repository(root: Path, releases: int) -> Path:
    checkout(root, releases)
    for words in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "--all"],
        ["commit", "--quiet", "--message=base"],
    ):
        process.run(["git", *words], timeout_s=60, cwd=root, env=_IDENTITY)
    (root / "values/dev/r0.yaml").write_text("replicaCount: 42\n", "utf-8")
    return root


def _mldeploy(*words: str) -> list[str | Path]:
    return [sys.executable, "-m", "mldeploy.cli.main", "plan", *words]


def _commits(folder: Path, runs: int) -> None:
    print(f"between a commit and the working tree, one value differs, medians of {runs} runs:")
    for releases in _GROWTH:
        root = _repository(folder / f"commits-{releases}", releases)
        argv = _mldeploy("--base", "HEAD")
        caches = folder / "caches"
        cold = medians(runs, lambda: measured(argv, root, empty_cache(caches)))  # noqa: B023 - called at once
        warm = medians(runs, lambda: measured(argv, root, {"XDG_CACHE_HOME": str(caches)}))  # noqa: B023 - called at once
        assert "1 of" in warm.output
        report(f"  {releases} releases, nothing cached", cold)
        report(f"  {releases} releases, base cached", warm)


def _cluster(folder: Path, releases: int, runs: int) -> None:
    from mldeploy.cluster import api_server

    root = checkout(folder / "cluster", releases)
    with api_server(folder, "bench-plan") as api:
        env = {**tool_environment(root), "KUBECONFIG": str(api.kubeconfig)}
        process.run([tool("kubectl"), "create", "namespace", ENVIRONMENT], timeout_s=30, env=env)
        (listing,) = list_releases(root, [ENVIRONMENT])
        for release in listing.releases:
            argv: list[str | Path] = [
                tool("helm"),
                "install",
                release.name,
                str(release.chart_path),
                "--namespace",
                release.namespace,
            ]
            process.run([*argv, "--values", str(release.values_files[0])], timeout_s=60, env=env)
        ours = medians(runs, lambda: measured(_mldeploy("--live"), root, env))
        drift = medians(runs, lambda: measured(_mldeploy("--live", "--drift"), root, env))
        diff: list[str | Path] = [tool("helmfile"), "--quiet", "--environment", ENVIRONMENT, "diff", "--skip-deps"]
        theirs = medians(runs, lambda: measured(diff, root, env))
    assert "nothing changes" in ours.output
    assert "nothing changes" in drift.output
    print(f"{releases} releases against a cluster, nothing changed, medians of {runs} runs:")
    report("mldeploy plan --live", ours)
    report("mldeploy plan --live --drift", drift)
    report("helmfile diff --skip-deps", theirs)
    print(f"  {theirs.seconds / ours.seconds:.1f} times helmfile diff's speed")
    print(f"  {ours.seconds / _ASKED_S:.2f} of the {_ASKED_S:g} s that are asked for")


def main(argv: Sequence[str]) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--releases", type=int, default=26, help="against the cluster")
    parser.add_argument("--no-cluster", action="store_true", help="leave out what needs root")
    options = parser.parse_args(argv)
    for words in (["helm", "version", "--short"], ["helmfile", "--version"]):
        print(words[0], process.run([tool(words[0]), *words[1:]], timeout_s=30).stdout.strip())
    with tempfile.TemporaryDirectory(prefix="mldeploy-bench-") as folder:
        if not options.no_cluster:
            _cluster(Path(folder), options.releases, options.runs)
        _commits(Path(folder), max(1, options.runs // 3))


if __name__ == "__main__":
    main(sys.argv[1:])
