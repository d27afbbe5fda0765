"""How fast `mldeploy lint` is, beside check-jsonschema and yamllint on the same files and schema in the same run.

    python benchmarks/lint.py                 100 files of 43 KB, ten runs each, and how it grows from 10 to 1,000
    python benchmarks/lint.py --runs 3 --files 10

Each run is a process of its own, nothing cached: medians of wall-clock and CPU seconds. The files are made up like a
published chart's values: two thirds comments, nested mappings, short lists, a block of text.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from mldeploy import process

_ROOT = Path(__file__).parents[1]
_TIMEOUT_S = 900
_SECTION = """\
# ----------------------------------------------------------------------------------------------------------------------
# -- Component {n}: how many pods it runs, what they need, and who may reach them. Everything here may be changed in an
# environment; what is not set there stays as it is in the chart. The component is started after the ones above, waits
# until they answer, and is stopped before them; a change of its settings restarts it, one pod after the other, and the
# budget below keeps enough of them running meanwhile. See the runbook of the component for what may go wrong, how it
# shows on the dashboards, and what to do then.
component{n}:
  # -- Whether the component is deployed at all.
  enabled: true
  image:
    # -- Repository, without a tag.
    repository: registry.example/team/component{n}
    # -- Tag; the chart's appVersion where it is empty.
    tag: "1.{n}.0"
    pullPolicy: IfNotPresent
  replicaCount: {replicas}
  # -- CPU and memory. Requests are what the scheduler counts with; limits are what the node enforces.
  resources:
    requests: {{cpu: 100m, memory: 128Mi}}
    limits: {{cpu: "1", memory: 512Mi}}
  service:
    type: ClusterIP
    port: {port}
  env:
    - name: LOG_LEVEL
      value: info
    - name: ENDPOINT
      value: https://component{n}.example/api/v1
  # -- Node labels that the pods need, and taints that they tolerate.
  nodeSelector: {{}}
  tolerations: []
  # -- A note for whoever is on call; it becomes an annotation of the Deployment.
  note: |
    Restarting the component is safe at any time.
    Its queue is kept by the broker.
"""


def _schema() -> dict[str, object]:
    text, flag = {"type": "string"}, {"type": "boolean"}
    amounts = {"type": "object", "additionalProperties": {"type": ["string", "integer"]}}
    component = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "enabled": flag,
            "image": {"type": "object", "properties": {"repository": text, "tag": text, "pullPolicy": text}},
            "replicaCount": {"type": "integer", "minimum": 0},
            "resources": {"type": "object", "properties": {"requests": amounts, "limits": amounts}},
            "service": {"type": "object", "properties": {"type": text, "port": {"type": "integer", "maximum": 65535}}},
            "env": {"type": "array", "items": {"type": "object", "properties": {"name": text, "value": text}}},
            "nodeSelector": {"type": "object"},
            "tolerations": {"type": "array"},
            "note": text,
        },
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "patternProperties": {"^component[0-9]+$": component},
    }


def _checkout(root: Path, count: int, size: int) -> list[Path]:
    def write(name: str, text: str) -> Path:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    write("helmfile.yaml", "bases: [deployments/base.yaml]\nenvironments:\n  prod: {}\n")
    write("charts/service/Chart.yaml", "apiVersion: v2\nname: service\nversion: 0.1.0\n")
    write("charts/service/values.yaml", "{}\n")
    write("charts/service/values.schema.json", json.dumps(_schema(), indent=2))
    releases = [f'  - {{name: s{n}, chart: charts/service, values: ["values/prod/s{n}.yaml"]}}' for n in range(count)]
    write("deployments/base.yaml", "\n".join(["releases:", *releases, ""]))
    files = []
    for number in range(count):
        text, section = "", 0
        while len(text) < size:
            text += _SECTION.format(n=section, replicas=(number + section) % 7 + 1, port=8000 + section)
            section += 1
        files.append(write(f"values/prod/s{number}.yaml", text))
    return files


def _measure(argv: Sequence[str | Path], cwd: Path, runs: int) -> tuple[float, float]:
    """Give the medians of the wall-clock and CPU seconds of some runs."""
    walls, cpus = [], []
    for _ in range(runs):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        walls.append(process.run(argv, timeout_s=_TIMEOUT_S, cwd=cwd).seconds)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpus.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(walls), statistics.median(cpus)


def _compare(count: int, size: int, runs: int) -> None:
    programs = Path(sys.executable).parent
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        files = [path.relative_to(root) for path in _checkout(root, count, size)]
        schema = Path("charts/service/values.schema.json")
        commands: dict[str, list[str | Path]] = {
            "mldeploy lint": [programs / "mldeploy", "lint"],
            f"check-jsonschema {version('check-jsonschema')}": [
                programs / "check-jsonschema", "--schemafile", schema, *files,
            ],
            f"yamllint {version('yamllint')}": [programs / "yamllint", "-d", "relaxed", *files],
        }  # fmt: skip
        print(f"{count} files of {size / 1000:.0f} KB, medians of {runs} runs")
        first = 0.0
        for name, argv in commands.items():
            wall, cpu = _measure(argv, root, runs)
            first = first or wall
            ratio = "" if wall == first else f"   {wall / first:5.1f} times mldeploy lint"
            print(f"  {name:<26} {wall:7.3f} s   {cpu:7.3f} s CPU{ratio}")


def _growth(size: int, runs: int) -> None:
    print(f"mldeploy lint, files of {size / 1000:.0f} KB")
    for count in (10, 100, 1000):
        with tempfile.TemporaryDirectory() as folder:
            _checkout(Path(folder), count, size)
            lint: list[str | Path] = [Path(sys.executable).parent / "mldeploy", "lint"]
            wall, cpu = _measure(lint, Path(folder), runs if count < 1000 else 3)
            print(f"  {count:>5} files {wall:7.3f} s   {cpu:7.3f} s CPU   {wall / count * 1000:6.2f} ms a file")


def main() -> None:
    """Print the comparison, this repository's own time, and the growth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--files", type=int, default=100)
    parser.add_argument("--kilobytes", type=int, default=43)
    options = parser.parse_args()
    wall, cpu = _measure([Path(sys.executable).parent / "mldeploy", "lint"], _ROOT, options.runs)
    print(f"this repository: {wall:.3f} s, {cpu:.3f} s CPU")
    _compare(options.files, options.kilobytes * 1000, options.runs)
    _growth(options.kilobytes * 1000, options.runs)


if __name__ == "__main__":
    main()
