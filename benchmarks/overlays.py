"""How fast overlays of many services are made and built, what a hook waits for, and how both grow.

    python benchmarks/overlays.py                      10, 30 and 100 services in 3 environments
    python benchmarks/overlays.py --services 10 --runs 1

Services share one chart of this repository (`ml-api`), with values of their own. The peer is `kustomize build` of every
overlay alone, one process after the other, in the same run. "From nothing" has an empty cache and no overlays; "one
value changed" what the run before left. Medians of wall-clock seconds, CPU seconds with all children, and the largest
resident set of any process.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.render import Measured, empty_cache, measured, medians, report
from mldeploy import process
from mldeploy.toolchain import tool

ROOT = Path(__file__).parents[1]
ENVIRONMENTS = ("dev", "staging", "prod")
_GROWTH = (10, 30, 100)
_HOOK_S = 0.3
_KUSTOMIZE = """
import sys
from pathlib import Path
from mldeploy.overlay.kustomize import build
for folder in sorted(Path(sys.argv[1]).glob("*-kustomize/overlays/*")):
    sys.stdout.write(build(folder))
"""


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
            files[f"values/{environment}/{name}.yaml"] = _values(11 + number % 8, 513 + number)
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, "utf-8")
    return root


def _values(replicas: int, memory: int) -> str:
    return f"autoscaling:\n  maxReplicas: {replicas}\nresources:\n  limits:\n    memory: {memory}Mi\n"


class _Checkout:
    """A checkout with a cache of its own, and what is measured in it."""

    def __init__(self, folder: Path, services: int) -> None:
        self._root = checkout(folder / "checkout", services)
        self._caches = folder / "caches"
        self._edits = 0

    def _run(self, *words: str | Path) -> Measured:
        return measured([sys.executable, *words], self._root, {"XDG_CACHE_HOME": str(self._caches)})

    def _overlay(self, *words: str) -> Measured:
        return self._run("-m", "mldeploy.cli.main", "overlay", *words)

    def from_nothing(self) -> Measured:
        """Make all overlays with no cache."""
        for folder in self._root.glob("*-kustomize"):
            shutil.rmtree(folder)
        empty_cache(self._caches)
        result = self._overlay("build")
        assert result.output, "it has written files"
        return result

    def edit(self) -> None:
        """Change one value of one service in one environment."""
        self._edits += 1
        (self._root / "values/staging/web-0.yaml").write_text(_values(20 + self._edits, 513), "utf-8")

    def after_an_edit(self) -> Measured:
        """Make the overlays again, of which one differs."""
        self.edit()
        result = self._overlay("build")
        (changed,) = result.output.splitlines()
        assert changed.startswith("web-0-kustomize/overlays/staging/")
        return result

    def again(self) -> Measured:
        """Make the overlays again, of which none differs."""
        result = self._overlay("build")
        assert not result.output
        return result

    def peer(self) -> Measured:
        """Build every overlay with kustomize alone."""
        return self._run("-c", _KUSTOMIZE, self._root)

    def hook(self) -> Measured:
        """What helmfile waits for before a release."""
        return self._overlay("chart", "web-0", "staging")

    def hook_after_an_edit(self) -> Measured:
        """What helmfile waits for before a release whose values, and then overlays, changed."""
        self.edit()
        self._overlay("build", "web-0")
        return self.hook()


def _grow(folder: Path, services: int, runs: int) -> float:
    one = _Checkout(folder / str(services), services)
    made, edited, again = (medians(runs, each) for each in (one.from_nothing, one.after_an_edit, one.again))
    peer = medians(runs, one.peer)
    overlays = services * len(ENVIRONMENTS)
    print(f"{services} services in {len(ENVIRONMENTS)} environments ({overlays} overlays), medians of {runs} runs:")
    report("  from nothing, each built and proven", made)
    report("  one value changed", edited)
    report("  nothing changed", again)
    report("  kustomize build alone, one after the other", peer)
    print(
        f"  {made.seconds / overlays * 1000:.0f} ms for an overlay from nothing; times the peer: from nothing "
        f"{made.seconds / peer.seconds:.2f}, one value {edited.seconds / peer.seconds:.2f}"
    )
    for title, run in (("nothing changed", one.hook), ("one value changed", one.hook_after_an_edit)):
        hook = medians(max(runs, 3), run)
        report(f"  a hook, {title}", hook)
        print(f"  {hook.seconds / _HOOK_S:.2f} of the {_HOOK_S} s that a hook has")
    return made.seconds / overlays


def main(argv: Sequence[str]) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--services", type=int, nargs="*", default=_GROWTH, metavar="N", help="default: 10 30 100")
    options = parser.parse_args(argv)
    print("kustomize", process.run([tool("kustomize"), "version"], timeout_s=30).stdout.strip())
    with tempfile.TemporaryDirectory(prefix="mldeploy-bench-") as folder:
        costs = [_grow(Path(folder), services, options.runs) for services in options.services]
    grown = ", ".join(f"{cost / costs[0]:.2f}" for cost in costs)
    print(f"growth, cost of an overlay from nothing against the first size: {grown}")


if __name__ == "__main__":
    main(sys.argv[1:])
