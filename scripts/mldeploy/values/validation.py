"""A chart's JSON Schema: what it says against values, and about a key."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mldeploy.errors import MldeployError

if TYPE_CHECKING:
    import jsonschema_rs

    from mldeploy.values.document import Keys, Value

_MESSAGE = "errorMessage"
_REMEDY = "run mldeploy schema, or correct the schema"


@dataclass(frozen=True, slots=True)
class SchemaError:
    """One violation.

    Attributes:
        keys: the value that violates.
        keyword: the schema's keyword, such as `type`, `required` or `additionalProperties`.
        details: what the keyword's violation carries (`types`, `property`, `unexpected`, `limit`, …).
        value: the violating value.
        message: the validator's own words.
        custom: the schema's words for this key (`errorMessage`); empty for none.
        known: for `additionalProperties`: the keys that there are.
    """

    keys: Keys
    keyword: str
    details: dict[str, Any]
    value: object
    message: str
    custom: str
    known: tuple[str, ...]


class Schema:
    """A values.schema.json."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise MldeployError(f"{path}:1:1: not readable as JSON: {error}", remedy=_REMEDY) from error

    @cached_property
    def _validator(self) -> jsonschema_rs.Validator:
        import jsonschema_rs

        try:
            return jsonschema_rs.validator_for(self.document)
        except (ValueError, jsonschema_rs.ValidationError) as error:
            line = str(error).split("\n", 1)[0]
            raise MldeployError(f"{self.path}:1:1: not a JSON Schema: {line}", remedy=_REMEDY) from error

    def errors(self, values: dict[str, Value]) -> tuple[SchemaError, ...]:
        """Validate merged values, as Helm does before it renders.

        Raises:
            MldeployError: the schema itself is no schema.
        """
        if self._validator.is_valid(values):
            return ()
        return tuple(self._error(error) for error in self._validator.iter_errors(values))

    def describe(self, keys: Keys) -> dict[str, Any]:
        """Give the schema of one key (`type`, `description`, `default`, …); empty where it says nothing."""
        node = self.document
        for key in keys:
            node = self._child(self._resolved(node), key)
        return self._resolved(node)

    def _resolved(self, node: dict[str, Any]) -> dict[str, Any]:
        """Follow references within the schema; what stands beside `$ref` goes before what it refers to."""
        for _ in range(20):
            reference = node.get("$ref")
            if not isinstance(reference, str) or not reference.startswith("#"):
                break
            target: Any = self.document
            for step in reference.lstrip("#/").split("/") if reference != "#" else []:
                target = target.get(step.replace("~1", "/").replace("~0", "~"), {}) if isinstance(target, dict) else {}
            beside = {name: value for name, value in node.items() if name != "$ref"}
            node = {**(target if isinstance(target, dict) else {}), **beside}
        return node

    def _child(self, node: dict[str, Any], key: str | int) -> dict[str, Any]:
        candidates: list[Any] = []
        if isinstance(key, str):
            candidates = [node.get("properties", {}).get(key), node.get("additionalProperties")]
        else:
            candidates = [node.get("items")]
        found: dict[str, Any] = next((child for child in candidates if isinstance(child, dict)), {})
        if not found:
            for branch in (*node.get("anyOf", ()), *node.get("oneOf", ()), *node.get("allOf", ())):
                found = self._child(self._resolved(branch), key) if isinstance(branch, dict) else {}
                if found:
                    break
        return found

    def _error(self, error: jsonschema_rs.ValidationError) -> SchemaError:
        error = _deepest(error)
        keys: Keys = tuple(error.instance_path)
        details = error.kind.as_dict()
        keyword = str(error.kind.name)
        missing = (details["property"],) if keyword == "required" else ()
        described = self.describe((*keys, *missing))
        known = tuple(self.describe(keys).get("properties", {})) if "nexpected" in str(details) or missing else ()
        return SchemaError(
            keys, keyword, details, error.instance, error.message, str(described.get(_MESSAGE, "")), known
        )


def _deepest(error: jsonschema_rs.ValidationError) -> jsonschema_rs.ValidationError:
    """Of a choice of schemas, take the error of the branch that came furthest: it is the one that was meant."""
    context = error.kind.as_dict().get("context") if error.kind.name in {"anyOf", "oneOf"} else None
    branches = [list(branch) for branch in context or [] if branch]
    inner = [problem for branch in branches for problem in branch]
    if not inner:
        return error
    best = max(inner, key=lambda problem: len(list(problem.instance_path)))
    return best if len(list(best.instance_path)) > len(list(error.instance_path)) else error
