"""Makes JSON Schemas (draft 7, which helm and editors both know) from annotated keys."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from mldeploy.errors import MldeployError
from mldeploy.values.schema.annotations import Key
from mldeploy.values.schema.definitions import DEFINITIONS

DRAFT = "http://json-schema.org/draft-07/schema#"
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}

Schema = dict[str, Any]


def chart_schema(path: Path, title: str, keys: Sequence[Key], subcharts: Sequence[str]) -> Schema:
    """Make the schema that helm checks a chart's merged values with.

    Args:
        path: the values file, for messages.
        title: the chart's name.
        keys: its annotated keys.
        subcharts: names of its dependencies, for which helm adds a key each.

    Raises:
        MldeployError: a key whose type nothing tells, an unknown shape, or a pattern that helm would refuse.
    """
    schema = {"$schema": DRAFT, "title": f"Values of {title}", **_group(path, keys)}
    # helm adds these to every chart's values itself.
    schema["properties"] |= {name: {"type": "object"} for name in ("global", *subcharts)}
    return schema


def partial_schema(title: str, charts: Sequence[Schema]) -> Schema:
    """Make the schema of an environment's file: nothing is required, and null takes a default away.

    Args:
        title: what the file is, for the editor.
        charts: schemas of the charts that the file goes to; what they do not share is not allowed.
    """
    own = [{**chart, "properties": {k: v for k, v in chart["properties"].items() if len(v) > 1}} for chart in charts]
    common = _shared(own[0], own[1:])
    return {"$schema": DRAFT, "title": title, **_partial(_group_of(common))}


def _group_of(schema: Schema) -> Schema:
    return {key: schema[key] for key in ("type", "additionalProperties", "properties")}


def _group(path: Path, keys: Sequence[Key]) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {key.name: _group(path, key.children) if key.children else _value(path, key) for key in keys},
        # A key whose null means something is absent from helm's merged values when it is null.
        "required": [key.name for key in keys if "null" not in key.keywords.get("type", "")],
    }


def _value(path: Path, key: Key) -> Schema:
    schema: Schema = {"description": key.description}
    keywords = dict(key.keywords)
    shape = keywords.pop("$ref", None)
    if shape is not None:
        if shape not in DEFINITIONS:
            raise _error(path, key, f"no such shape: {shape}", f"choose from {', '.join(DEFINITIONS)}")
        schema |= deepcopy(DEFINITIONS[shape])
    elif "type" not in keywords:
        if type(key.default) not in _TYPES:
            raise _error(path, key, f"'{key.name}' is null, which tells no type", "add `# @schema {type: ...}`")
        schema["type"] = _TYPES[type(key.default)]
        if schema["type"] in {"array", "object"} and not keywords:
            raise _error(path, key, f"'{key.name}' has no shape", "add `# @schema {$ref: ...}`")
    schema |= keywords
    if key.message:
        schema["errorMessage"] = key.message
    schema["default"] = key.default
    _check(path, key, schema)
    return schema


def _check(path: Path, key: Key, schema: Schema) -> None:
    import jsonschema_rs

    # The regex crate refuses what RE2 refuses: no looking around, no back references. helm would fail on every render.
    options = jsonschema_rs.RegexOptions()
    for pattern in _patterns(schema):
        try:
            jsonschema_rs.Draft7Validator({"pattern": pattern}, pattern_options=options)
        except (ValueError, jsonschema_rs.ValidationError) as error:
            raise _error(
                path, key, f"helm (RE2) cannot use the pattern {pattern}", "write it without lookaround"
            ) from error
    try:
        validator = jsonschema_rs.Draft7Validator(schema, pattern_options=options)
    except (ValueError, jsonschema_rs.ValidationError) as error:
        raise _error(path, key, f"@schema is no JSON Schema: {error}", "correct it") from error
    for problem in validator.iter_errors(key.default):
        raise _error(path, key, f"the default does not fit its own schema: {problem.message}", "correct one of them")


def _patterns(schema: Any) -> list[str]:
    if isinstance(schema, list):
        return [pattern for item in schema for pattern in _patterns(item)]
    if not isinstance(schema, dict):
        return []
    here = [schema["pattern"]] if isinstance(schema.get("pattern"), str) else []
    return here + [pattern for value in schema.values() for pattern in _patterns(value)]


def _shared(schema: Schema, others: Sequence[Schema]) -> Schema:
    """Keep what a value may be in all charts: the properties that each has, as far as they agree."""
    properties: dict[str, Any] = {}
    for name, value in schema["properties"].items():
        theirs = [other["properties"][name] for other in others if name in other["properties"]]
        if len(theirs) < len(others):
            continue
        if "properties" in value and "description" not in value:
            properties[name] = _shared(value, theirs)
        elif all(_bare(item) == _bare(value) for item in theirs):
            agreed = {key: known for key, known in value.items() if all(item.get(key) == known for item in theirs)}
            properties[name] = {"description": value["description"], **agreed}
    return {
        **schema,
        "properties": {name: value for name, value in properties.items() if value.get("properties") != {}},
    }


def _bare(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key not in {"description", "default"}}


def _partial(schema: Any) -> Any:
    """Let a layer give any part of a mapping, and null; a list replaces the one below it, so its items stay whole."""
    if not isinstance(schema, dict):
        return schema
    made = {key: value for key, value in schema.items() if key != "required"}
    if "properties" in made:
        made["properties"] = {name: _partial(value) for name, value in made["properties"].items()}
    if "additionalProperties" in made:
        made["additionalProperties"] = _partial(made["additionalProperties"])
    kinds = made.get("type")
    if kinds is not None and "null" not in kinds:
        made["type"] = [*([kinds] if isinstance(kinds, str) else kinds), "null"]
        if "enum" in made:
            made["enum"] = [*made["enum"], None]
    return made


def _error(path: Path, key: Key, what: str, remedy: str) -> MldeployError:
    return MldeployError(f"{path}:{key.line}: {what}", remedy=remedy)
