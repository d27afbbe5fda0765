"""Everything that is generated from the charts' annotated values: schemas for helm and for editors, README tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mldeploy.errors import MldeployError
from mldeploy.values.schema.annotations import read
from mldeploy.values.schema.build import chart_schema, partial_schema
from mldeploy.values.schema.table import with_table


def generate(root: Path) -> dict[Path, str]:
    """Make the text of every generated file; writes nothing.

    Returns:
        Absolute path to text, for each chart its `values.schema.json` and README, and under `values/` a schema for
        each service's files and one for the files of both.

    Raises:
        MldeployError: there is no chart, or one of them has an annotation that cannot be used.
    """
    made: dict[Path, str] = {}
    schemas: dict[str, dict[str, Any]] = {}
    for chart in _charts(root):
        keys = read(root / "charts" / chart["name"] / "values.yaml")
        subcharts = [dependency["name"] for dependency in chart.get("dependencies", [])]
        folder = root / "charts" / chart["name"]
        schemas[chart["name"]] = chart_schema(folder / "values.yaml", chart["name"], keys, subcharts)
        made[folder / "values.schema.json"] = _json(schemas[chart["name"]])
        made[folder / "README.md"] = with_table(folder / "README.md", keys)
    for name, schema in schemas.items():
        made[root / "values" / f"{name}.schema.json"] = _json(partial_schema(f"{name} in one environment", [schema]))
    together = partial_schema("All services of one environment", list(schemas.values()))
    made[root / "values" / "values.schema.json"] = _json(together)
    return made


def stale(files: Mapping[Path, str]) -> list[Path]:
    """List the generated files that are missing or say something else on disk."""
    return [path for path, text in files.items() if not path.is_file() or path.read_bytes() != text.encode()]


def write(files: Mapping[Path, str]) -> list[Path]:
    """Write the generated files that are stale, each as a whole or not at all.

    Returns:
        Those that were written.
    """
    written = stale(files)
    for path in written:
        new = path.with_name(f".{path.name}.new")
        new.write_text(files[path], "utf-8")
        new.replace(path)
    return written


def _charts(root: Path) -> list[dict[str, Any]]:
    described = [
        yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader) for path in sorted(root.glob("charts/*/Chart.yaml"))
    ]
    found = [chart for chart in described if chart.get("type") != "library"]
    if not found:
        raise MldeployError(f"{root / 'charts'}: has no chart", remedy="run this inside the deployment repository")
    return found


def _json(schema: Mapping[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
