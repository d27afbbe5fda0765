"""How fast releases are rendered, beside `helmfile template --skip-deps` on the same checkout in the same run.

    python benchmarks/render.py                    100 releases, ten runs each, and how it grows from 2 to 500
    python benchmarks/render.py --runs 3 --releases 10 --no-growth

Each run is a process of its own: "nothing cached" has an empty cache folder, "one value changed" the cache of the run
before. The releases use the chart of `helm create`, each with a values file of its own. Medians of wall-clock seconds,
CPU seconds with all children, and the largest resident set of any process.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mldeploy import paths, process
from mldeploy.toolchain import tool, tool_environment

ENVIRONMENT = "dev"
_GROWTH = (2, 5, 10, 20, 50, 100, 200, 500)
_ASKED_S, _ASKED_CHANGED_S, _ASKED_MB, _ASKED_RATIO = 0.5, 0.2, 300, 10
_RENDER = """
import sys
from pathlib import Path
from mldeploy.render import list_releases, render
(listing,) = list_releases(Path(sys.argv[1]), ["dev"])
assert not listing.error, listing.error
done = render(Path(sys.argv[1]), listing.releases)
assert all(each.manifest for each in done)
sys.stdout.write("".join(each.manifest + "\\n" for each in done))
"""


@dataclass(frozen=True)
class Measured:
    """One process: wall-clock and CPU seconds, megabytes, and what it printed."""

    seconds: float
    cpu: float
    megabytes: float
    output: str


def checkout(root: Path, releases: int) -> Path:
    """Write a checkout with that many releases of one chart in one environment."""
    charts = root / "charts"
    charts.mkdir(parents=True)
    process.run([tool("helm"), "create", "web"], timeout_s=60, cwd=charts, env=tool_environment(root))
    listed = [
        f"  - name: r{number}\n    namespace: {ENVIRONMENT}\n    chart: ./charts/web\n"
        f"    labels: {{service: s{number}}}\n    values: [values/dev/r{number}.yaml]\n"
        for number in range(releases)
    ]
    files = {
        "helmfile.yaml": "bases: [deployments/base.yaml]\nenvironments:\n  dev: {}\n",
        "deployments/base.yaml": "releases:\n" + "".join(listed),
        "deployments/dev/environment.yaml": "environment: dev\ncontexts: ['mldeploy-*']\n",
        **{f"values/dev/r{number}.yaml": f"replicaCount: {number % 9 + 1}\n" for number in range(releases)},
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    return root


def empty_cache(folder: Path) -> dict[str, str]:
    """Give the variable that leads to an empty cache, in which only the tools are."""
    cache = folder / "mldeploy"
    shutil.rmtree(folder, ignore_errors=True)
    cache.mkdir(parents=True)
    for name in ("tools", "sets"):
        (cache / name).symlink_to(paths.cache() / name)
    return {"XDG_CACHE_HOME": str(folder)}


def measured(argv: Sequence[str | Path], root: Path, env: Mapping[str, str]) -> Measured:
    """Run a command to its end and measure it with all its children."""
    with tempfile.TemporaryFile("w+") as out:
        began = time.monotonic()
        child = process.start(argv, cwd=root, env=env, stdout=out)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == 0, f"{argv} ended with {child.returncode}"
        out.seek(0)
        return Measured(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, out.read())


def medians(runs: int, run: Callable[[], Measured]) -> Measured:
    """Run something several times and give the medians, and the last output."""
    all_runs = [run() for _ in range(runs)]
    return Measured(
        statistics.median(each.seconds for each in all_runs),
        statistics.median(each.cpu for each in all_runs),
        max(each.megabytes for each in all_runs),
        all_runs[-1].output,
    )


def report(what: str, result: Measured) -> None:
    """Print one line."""
    print(f"{what:<46} {result.seconds:7.3f} s  {result.cpu:7.2f} CPU s  {result.megabytes:5.0f} MB")


def _benchmark(folder: Path, releases: int, runs: int) -> None:
    root = checkout(folder / "checkout", releases)
    ours: list[str | Path] = [sys.executable, "-c", _RENDER, root]
    caches = folder / "caches"
    cold = medians(runs, lambda: measured(ours, root, empty_cache(caches)))
    kept = {"XDG_CACHE_HOME": str(caches)}
    number = 0

    def changed() -> Measured:
        nonlocal number
        number += 1
        (root / "values/dev/r0.yaml").write_text(f"replicaCount: {100 + number}\n", "utf-8")
        return measured(ours, root, kept)

    one = medians(runs, changed)
    theirs: list[str | Path] = [tool("helmfile"), "--quiet", "--environment", ENVIRONMENT, "template", "--skip-deps"]
    peer = medians(runs, lambda: measured(theirs, root, tool_environment(root)))
    assert peer.output == one.output, "the same bytes"
    print(f"{releases} releases, medians of {runs} runs, the same bytes:")
    report("mldeploy, nothing cached", cold)
    report("mldeploy, one value changed", one)
    report("helmfile template --skip-deps", peer)
    print(f"  {peer.seconds / cold.seconds:.1f} times helmfile's speed; {_ASKED_RATIO} are asked for")
    print(f"  nothing cached: {cold.seconds / _ASKED_S:.2f} of the {_ASKED_S} s that are asked for")
    print(f"  one value changed: {one.seconds / _ASKED_CHANGED_S:.2f} of the {_ASKED_CHANGED_S} s that are asked for")
    print(f"  memory: {cold.megabytes / _ASKED_MB:.2f} of the {_ASKED_MB} MB that are asked for")


def _growth(folder: Path, runs: int) -> None:
    print(f"growth, nothing cached, medians of {runs} runs:")
    for releases in _GROWTH:
        root = checkout(folder / f"growth-{releases}", releases)
        argv: list[str | Path] = [sys.executable, "-c", _RENDER, root]
        report(f"  {releases} releases", medians(runs, lambda: measured(argv, root, empty_cache(folder / "caches"))))  # noqa: B023 - called at once


def main(argv: Sequence[str]) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--releases", type=int, default=100)
    parser.add_argument("--no-growth", action="store_true", help="leave out how it grows")
    options = parser.parse_args(argv)
    for words in (["helm", "version", "--short"], ["helmfile", "--version"]):
        print(words[0], process.run([tool(words[0]), *words[1:]], timeout_s=30).stdout.strip())
    with tempfile.TemporaryDirectory(prefix="mldeploy-bench-") as folder:
        _benchmark(Path(folder), options.releases, options.runs)
        if not options.no_growth:
            _growth(Path(folder), max(1, options.runs // 3))


if __name__ == "__main__":
    main(sys.argv[1:])
