"""`mldeploy explain`: what a value is and who set it, or what a lint rule means."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mldeploy import paths
from mldeploy.errors import ExitCode, MldeployError

if TYPE_CHECKING:
    from mldeploy.values.document import Entry, Value
    from mldeploy.values.explain import Difference, Explanation
    from mldeploy.values.layers import Workspace

_EPILOG = """\
examples:
  mldeploy explain prod ml-api                           every value, and the file and line that set it
  mldeploy explain prod ml-api autoscaling.minReplicas   one value: who set it, what it overrode, what it means
  mldeploy explain --diff staging prod                   what differs between two environments
  mldeploy explain --diff staging prod ml-api resources
  mldeploy explain unknown-key                           what a lint rule means
  mldeploy explain --rules                               all rules
"""


def main(argv: Sequence[str]) -> int:
    """Run `mldeploy explain`."""
    parser = _parser()
    options = parser.parse_args(argv)
    words: list[str] = options.words
    if options.rules:
        return _rules(options.output)
    if options.diff:
        if len(words) > 2:
            parser.error("--diff takes ENV1 ENV2, then at most SERVICE and KEY")
        return _diff(*options.diff, *words, output=options.output)
    if len(words) == 1:
        return _rule(words[0], options.output)
    if len(words) not in {2, 3}:
        parser.error("name a RULE, or ENV and SERVICE and perhaps a KEY")
    return _explain(*words, output=options.output)


def _rules(output: str) -> int:
    from mldeploy.values.rules import DOCUMENTATION

    if output == "json":
        _json(DOCUMENTATION)
    else:
        width = max(map(len, DOCUMENTATION))
        _lines(f"{name:<{width}}  {text.splitlines()[0]}" for name, text in sorted(DOCUMENTATION.items()))
    return ExitCode.CLEAN


def _rule(name: str, output: str) -> int:
    from mldeploy.values.problem import did_you_mean
    from mldeploy.values.rules import DOCUMENTATION

    if name not in DOCUMENTATION:
        near = did_you_mean(name, DOCUMENTATION)
        remedy = f"did you mean '{near}'?" if near else "see mldeploy explain --rules"
        raise MldeployError(f"there is no rule '{name}'", remedy=remedy)
    if output == "json":
        _json({"rule": name, "documentation": DOCUMENTATION[name]})
    else:
        _lines([f"{name}: {DOCUMENTATION[name]}"])
    return ExitCode.CLEAN


def _explain(environment: str, service: str, key: str = "", *, output: str) -> int:
    from mldeploy.values.explain import explain, leaves, parse_keys

    workspace = _workspace()
    layered = workspace.layered(workspace.release(environment, service))
    keys = parse_keys(key)
    found = [explain(layered, keys)] if keys else []
    if not keys or isinstance(found[0].value, dict):
        found = list(leaves(layered, keys)) or found
        whole = True
    else:
        whole = False
    if output == "json":
        rows = [_row(one, workspace.root) for one in found]
        _json(rows if whole else rows[0])
    elif whole:
        _tree(found, workspace.root)
    else:
        _one(found[0], workspace.root)
    return ExitCode.CLEAN


def _diff(left: str, right: str, service: str = "", key: str = "", *, output: str) -> int:
    from mldeploy.values.explain import differences, parse_keys

    workspace = _workspace()
    services = [service] if service else [release.service for release in workspace.releases(left)]
    rows = []
    for name in services:
        pair = [workspace.layered(workspace.release(environment, name)) for environment in (left, right)]
        rows += [(name, one) for one in differences(pair[0], pair[1], parse_keys(key))]
    if output == "json":
        _json([_difference(name, one, workspace.root) for name, one in rows])
        return ExitCode.CLEAN
    from mldeploy.values.problem import dotted

    for name, one in rows:
        sides = (
            _side(environment, found, workspace.root) for environment, found in ((left, one.left), (right, one.right))
        )
        _lines([f"{name} {dotted(one.keys)}", *sides])
    if not rows:
        _lines([f"{left} and {right} have the same values"])
    return ExitCode.CLEAN


def _workspace() -> Workspace:
    from mldeploy.values.layers import Workspace

    return Workspace(paths.checkout())


def _one(found: Explanation, root: Path) -> None:
    from mldeploy.values.problem import dotted

    shown = _value(found.value) if found.present else "(removed by a null)"
    rows = [("set by", _place(found.origin.entry, root) if found.origin else "a subchart's default")]
    overrode = found.origin.overrode if found.origin else ()
    rows += [("overrides", f"{_value(entry.value)}  {_place(entry, root)}") for entry in overrode]
    schema = found.schema
    if "type" in schema:
        rows.append(("type", _type(schema)))
    if "default" in schema:
        rows.append(("default", _value(schema["default"])))
    if schema.get("description"):
        rows.append(("about", " ".join(str(schema["description"]).split())))
    _lines([f"{dotted(found.keys)}: {shown}", *(f"  {name:<9}  {text}" for name, text in rows)])


def _tree(found: Sequence[Explanation], root: Path) -> None:
    from mldeploy.values.problem import dotted

    rows = []
    for one in found:
        place = _place(one.origin.entry, root) if one.origin else "a subchart's default"
        beneath = f" (over {_value(one.origin.overrode[0].value)})" if one.origin and one.origin.overrode else ""
        rows.append((f"{dotted(one.keys)}: {_value(one.value)}", f"{place}{beneath}"))
    width = min(max((len(left) for left, _ in rows), default=0), 72)
    _lines(f"{left:<{width}}  # {right}" for left, right in rows)


def _side(environment: str, found: Explanation | None, root: Path) -> str:
    if found is None:
        return f"  {environment}: (not there)"
    place = _place(found.origin.entry, root) if found.origin else "a subchart's default"
    return f"  {environment}: {_value(found.value)}  # {place}"


def _type(schema: dict[str, object]) -> str:
    kinds = schema["type"]
    text = " or ".join(map(str, kinds)) if isinstance(kinds, list) else str(kinds)
    if isinstance(schema.get("enum"), list):
        text += f", one of {_value(schema['enum'])}"
    words = (("minimum", "at least"), ("maximum", "at most"), ("pattern", "matching"))
    return text + "".join(f", {word} {schema[name]}" for name, word in words if name in schema)


def _row(found: Explanation, root: Path) -> dict[str, object]:
    from mldeploy.values.problem import dotted

    names = ("type", "description", "default", "enum", "minimum", "maximum", "pattern")
    return {
        "key": dotted(found.keys),
        "value": found.value,
        "present": found.present,
        "setBy": _entry(found.origin.entry, root) if found.origin else None,
        "overrides": [_entry(entry, root) for entry in found.origin.overrode] if found.origin else [],
        "schema": {name: found.schema[name] for name in names if name in found.schema},
    }


def _difference(service: str, one: Difference, root: Path) -> dict[str, object]:
    from mldeploy.values.problem import dotted

    left, right = (None if found is None else _row(found, root) for found in (one.left, one.right))
    return {"service": service, "key": dotted(one.keys), "left": left, "right": right}


def _entry(entry: Entry, root: Path) -> dict[str, object]:
    position = entry.position
    path = position.path.relative_to(root).as_posix()
    return {"path": path, "line": position.line, "column": position.column, "value": entry.value}


def _place(entry: Entry, root: Path) -> str:
    position = entry.position
    return f"{position.path.relative_to(root).as_posix()}:{position.line}:{position.column}"


def _value(value: Value | object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _json(data: object) -> None:
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def _lines(lines: Iterable[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mldeploy explain",
        description="Say what a value is, who set it and what it means; or what a lint rule means.",
        usage="%(prog)s [--output FORMAT] (ENV SERVICE [KEY] | --diff ENV1 ENV2 [SERVICE [KEY]] | RULE | --rules)",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--diff", nargs=2, metavar=("ENV1", "ENV2"), help="compare two environments")
    parser.add_argument("--rules", action="store_true", help="list the lint rules")
    parser.add_argument("--output", choices=("text", "json"), default="text")
    return parser
