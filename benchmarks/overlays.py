"""How fast overlays of many services are made and built, what a hook waits for, and how both grow.

    python benchmarks/overlays.py                      100 services in 3 environments, and how it grows from 1 to 100
    python benchmarks/overlays.py --services 10 --runs 3 --no-growth

Services share one chart of this repository (`ml-api`), with values of their own. The peer is `kustomize build` of every
overlay alone, one process after the other. Medians of wall-clock seconds, CPU seconds with all children, and the
largest resident set of any process.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mldeploy import process
from mldeploy.toolchain import tool, tool_environment

ROOT = Path(__file__).parents[1]
ENVIRONMENTS = ("dev", "staging", "prod")
_GROWTH = (1, 3, 10, 30, 100)
_HOOK_S = 0.3
_BUILD = """
import sys
from pathlib import Path
from mldeploy.overlay import files
from mldeploy.progress import Quiet
sys.stdout.write("\\n".join(files.build(Path(sys.argv[1]), [], Quiet())))
"""
_KUSTOMIZE = """
import sys
from pathlib import Path
from mldeploy.overlay.kustomize import build
for folder in sorted(Path(sys.argv[1]).glob("*-kustomize/overlays/*")):
    sys.stdout.write(build(folder))
"""


@dataclass(frozen=True)
class Measured:
    """One process: wall-clock and CPU seconds, megabytes, and how many lines it printed."""

    seconds: float
    cpu: float
    megabytes: float
    lines: int


def checkout(root: Path, services: int) -> Path:
    """Write a checkout with that many services in three environments."""
    shutil.copytree(ROOT / "charts", root / "charts", symlinks=True)
    names = [f"web-{number}" for number in range(services)]
    listed = [
        f'  - name: "{{{{ .Environment.Name }}}}-{name}"\n    chart: ./charts/ml-api\n    labels: {{service: {name}}}\n'
        f'    namespace: "{{{{ .Environment.Name }}}}"\n'
        f'    values: ["values/{{{{ .Environment.Name }}}}/{name}.yaml"]\n'
        for name in names
    ]
    declared = "".join(f"  {name}: {{}}\n" for name in ENVIRONMENTS)
    files = {
        "helmfile.yaml": f"bases: [deployments/base.yaml]\nenvironments:\n{declared}",
        "deployments/base.yaml": "releases:\n" + "".join(listed),
    }
    for number, name in enumerate(names):
        chart = "apiVersion: v2\nname: x\nversion: 0.1.0\n"
        files[f"deployments/kustomize/{name}/Chart.yaml"] = chart
        for environment in ENVIRONMENTS:
            files[f"values/{environment}/{name}.yaml"] = (
                f"autoscaling:\n  maxReplicas: {10 + number % 9}\nresources:\n  limits:\n    memory: {512 + number}Mi\n"
            )
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, "utf-8")
    return root


def measured(argv: Sequence[str | Path], root: Path) -> Measured:
    """Run a command to its end and measure it with all its children."""
    with tempfile.TemporaryFile("w+") as out:
        began = time.monotonic()
        child = process.start(argv, cwd=root, env=tool_environment(root), stdout=out)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == 0, f"{argv} ended with {child.returncode}"
        out.seek(0)
        lines = out.read().count("\n")
        return Measured(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, lines)


def medians(runs: int, run: Callable[[], Measured]) -> Measured:
    """Run something several times and give the medians."""
    found = [run() for _ in range(runs)]
    return Measured(
        statistics.median(each.seconds for each in found),
        statistics.median(each.cpu for each in found),
        max(each.megabytes for each in found),
        found[-1].lines,
    )


def report(what: str, result: Measured) -> None:
    """Print one line."""
    print(f"{what:<48} {result.seconds:7.2f} s  {result.cpu:7.2f} CPU s  {result.megabytes:5.0f} MB")


def _from_nothing(root: Path) -> Measured:
    for folder in root.glob("*-kustomize"):
        shutil.rmtree(folder)
    result = measured([sys.executable, "-c", _BUILD, root], root)
    assert result.lines > 0, "it has written files"
    return result


def _hook(root: Path, service: str) -> Measured:
    return measured([sys.executable, "-m", "mldeploy.cli.main", "overlay", "chart", service, "staging"], root)


def _benchmark(root: Path, services: int, runs: int) -> None:
    made = medians(runs, lambda: _from_nothing(root))
    again = medians(runs, lambda: measured([sys.executable, "-c", _BUILD, root], root))
    peer = medians(runs, lambda: measured([sys.executable, "-c", _KUSTOMIZE, root], root))
    overlays = services * len(ENVIRONMENTS)
    print(f"{services} services in {len(ENVIRONMENTS)} environments ({overlays} overlays), medians of {runs} runs:")
    report("  made from nothing, each built and proven", made)
    report("  again, nothing changed", again)
    report("  kustomize build alone, one after the other", peer)
    print(f"  {made.seconds / overlays * 1000:.0f} ms for an overlay; {made.seconds / peer.seconds:.2f} times the peer")
    first = _hook(root, "web-0")
    warm = medians(runs, lambda: _hook(root, "web-0"))
    report("  a hook, the first time", first)
    report("  a hook, nothing changed", warm)
    print(f"  {warm.seconds / _HOOK_S:.2f} of the {_HOOK_S} s that a hook has")


def main(argv: Sequence[str]) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--services", type=int, default=100)
    parser.add_argument("--no-growth", action="store_true", help="leave out how it grows")
    options = parser.parse_args(argv)
    print("kustomize", process.run([tool("kustomize"), "version"], timeout_s=30).stdout.strip())
    with tempfile.TemporaryDirectory(prefix="mldeploy-bench-") as folder:
        _benchmark(checkout(Path(folder) / "checkout", options.services), options.services, options.runs)
        if not options.no_growth:
            print("growth, made from nothing, one run each:")
            for services in _GROWTH:
                report(f"  {services} services", _from_nothing(checkout(Path(folder) / f"growth-{services}", services)))


if __name__ == "__main__":
    main(sys.argv[1:])
