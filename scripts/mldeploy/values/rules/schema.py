"""A value that the chart's schema refuses.

The merged values are checked, as Helm does before it renders, and the violation is reported where the offending value
was set, in whichever file that is. The schema is generated from the chart's commented values.yaml.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mldeploy.values.document import Position
from mldeploy.values.nodes import ScalarNode
from mldeploy.values.odd import is_secret_key, secret_shape
from mldeploy.values.problem import Problem, at_key, at_value, dotted, replace_scalar, shown
from mldeploy.values.scalars import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mldeploy.values.document import Entry
    from mldeploy.values.layered import Layered, Origin
    from mldeploy.values.validation import SchemaError

ID = "schema"

_NAMES = {"object": "a mapping", "array": "a list", "string": "a string", "null": "null"}
_NAMES |= {"integer": "an integer", "number": "a number", "boolean": "true or false"}


def check(layered: Layered) -> Iterator[Problem]:
    """Report every violation but unknown keys, which are a rule of their own."""
    for error in layered.schema_errors:
        if error.keyword == "required":
            yield _missing(layered, error)
        elif error.keyword not in {"additionalProperties", "unevaluatedProperties"}:
            yield _violation(layered, error)


def _missing(layered: Layered, error: SchemaError) -> Problem:
    name = str(error.details["property"])
    removed = layered.origin((*error.keys, name))
    remedy = error.custom or f"set '{dotted((*error.keys, name))}'"
    if removed is not None:
        return at_value(removed.entry, f"'{name}' is required, and removed here", remedy, related=_overrode(removed))
    origin = layered.origin(error.keys) if error.keys else None
    message = f"'{name}' is required{f' in {dotted(error.keys)}' if error.keys else ''}"
    if origin is None:
        return Problem(Position(layered.layers[-1].path, 1, 1), message, remedy)
    return at_key(origin.entry, message, remedy)


def _violation(layered: Layered, error: SchemaError) -> Problem:
    origin = layered.origin(error.keys)
    what, remedy = _words(error)
    message = f"'{dotted(error.keys)}' {what}"
    if error.custom:
        remedy = error.custom
    if origin is None:
        return Problem(Position(layered.layers[-1].path, 1, 1), message, remedy)
    fix = _quoted(origin.entry) if error.keyword == "type" and "string" in error.details.get("types", ()) else ()
    return at_value(origin.entry, message, remedy, related=_overrode(origin), fix=fix)


def _quoted(entry: Entry) -> tuple[Any, ...]:
    node = entry.node
    if isinstance(node, ScalarNode) and not node.style and node.value:
        return replace_scalar(entry, '"' + node.value.replace("\\", "\\\\").replace('"', '\\"') + '"')
    return ()


def _overrode(origin: Origin) -> tuple[tuple[Position, str], ...]:
    return tuple((entry.position, f"overrides {_value(entry.keys, entry.value)} here") for entry in origin.overrode)


def _value(keys: tuple[str | int, ...], value: object) -> str:
    name = next((key for key in reversed(keys) if isinstance(key, str)), "")
    return shown(value, secret=is_secret_key(name) or (isinstance(value, str) and secret_shape(value) != ""))


def _words(error: SchemaError) -> tuple[str, str]:
    value = _value(error.keys, error.value)
    details = error.details
    match error.keyword:
        case "type":
            wanted = " or ".join(_NAMES.get(name, name) for name in details["types"])
            kind = _NAMES[kind_of(error.value)] if kind_of(error.value) in {"object", "array"} else value
            return f"must be {wanted}, not {kind}", f"write {wanted}"
        case "enum":
            options = ", ".join(shown(option) for option in details["options"])
            return f"is {value}, which is not one of {options}", "choose one of them"
        case "minimum" | "maximum":
            side = "below the minimum" if error.keyword == "minimum" else "above the maximum"
            return f"is {value}, {side} of {details['limit']}", "change it"
        case "exclusiveMinimum" | "exclusiveMaximum":
            side = "above" if error.keyword == "exclusiveMinimum" else "below"
            return f"is {value}, and must be {side} {details['limit']}", "change it"
        case "pattern":
            return f"is {value}, which does not match {details['pattern']}", "change it"
        case _:
            text = error.message if len(error.message) < 200 else f"violates '{error.keyword}'"
            return f"is refused by the schema: {text}", "see the chart's README"
