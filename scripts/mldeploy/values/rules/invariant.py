"""A rule of this repository that an environment breaks.

`values/invariants.yaml` declares what must hold in and between environments: a condition on a release's merged values
(`require`), on every value that a pattern of keys matches (`each` and `require`), or that environments have the same
keys (`parity`). docs/lint.md describes the language. The finding stands at the line that broke the rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mldeploy.values.document import Position
from mldeploy.values.expression import ExpressionError, Scope, evaluate, parse
from mldeploy.values.history import was_in
from mldeploy.values.problem import Problem, at_key, at_value, dotted, shown
from mldeploy.values.quantity import lookup, quantity, seconds
from mldeploy.values.replicas import KEYS, fewest

if TYPE_CHECKING:
    from mldeploy.values.document import Document, Entry, Keys, Value
    from mldeploy.values.layered import Layered, Origin
    from mldeploy.values.lint import Subject

ID = "invariant"
FILE = "invariants.yaml"

_KNOWN = {"id", "why", "environments", "services", "when", "require", "each", "parity", "allow"}


def check(subject: Subject) -> Iterator[Problem]:
    """Check every declared invariant in every release that it is about."""
    path = subject.workspace.root / "values" / FILE
    if not path.is_file():
        return
    document = subject.workspace.document(path)
    declared = document.values.get("invariants")
    for index in range(len(declared) if isinstance(declared, list) else 0):
        entry = document.find(("invariants", index))
        if entry is not None:
            yield from _one(subject, document, entry)


def _one(subject: Subject, document: Document, entry: Entry) -> Iterator[Problem]:
    spec = entry.value if isinstance(entry.value, dict) else {}
    wrong = _malformed(subject, spec)
    if wrong:
        yield at_value(entry, f"this invariant cannot be used: {wrong}", "see docs/lint.md")
        return
    releases = [layered for layered in subject.releases if _is_about(spec, layered)]
    try:
        if spec.get("parity") is True:
            yield from _parity(spec, releases)
            return
        for layered in releases:
            for problem in _require(subject, spec, layered):
                yield replace(problem, related=((document.place(document.parts[0], entry.node), "declared here"),))
    except ExpressionError as error:
        yield at_value(entry, f"this invariant cannot be used: {error}", "see docs/lint.md")


def _malformed(subject: Subject, spec: dict[str, Value]) -> str:
    for name in ("id", "why"):
        if not isinstance(spec.get(name), str) or not spec.get(name):
            return f"it has no {name}"
    unknown = sorted(set(spec) - _KNOWN)
    if unknown:
        return f"it has an unknown key {unknown[0]}"
    if ("require" in spec) == (spec.get("parity") is True):
        return "it needs either require or parity"
    environments = _names(spec.get("environments"))
    missing = [name for name in environments if name not in subject.workspace.environments]
    if missing:
        return f"there is no environment {missing[0]}"
    services = {layered.release.service for layered in subject.releases}
    missing = [name for name in _names(spec.get("services")) if services and name not in services]
    return f"there is no service {missing[0]}" if missing else ""


def _is_about(spec: dict[str, Value], layered: Layered) -> bool:
    environments, services = _names(spec.get("environments")), _names(spec.get("services"))
    release = layered.release
    return (not environments or release.environment in environments) and (not services or release.service in services)


def _require(subject: Subject, spec: dict[str, Value], layered: Layered) -> Iterator[Problem]:
    condition = parse(str(spec["require"]))
    if "when" in spec and not evaluate(parse(str(spec["when"])), _scope(subject, layered, (), None)):
        return
    if "each" not in spec:
        scope = _scope(subject, layered, (), None)
        why = _broken(condition, scope)
        if why is not None:
            yield _report(spec, layered, list(scope.read), why or _found(scope))
        return
    for keys, value in matching(layered.values, str(spec["each"])):
        scope = _scope(subject, layered, keys, value)
        why = _broken(condition, scope)
        if why is not None:
            yield _report(spec, layered, [keys], why or f"{dotted(keys)} is {shown(value)}")


def _broken(condition: Any, scope: Scope) -> str | None:
    """Give None where the condition holds, else why it cannot be told (empty: it is simply false)."""
    try:
        return None if evaluate(condition, scope) else ""
    except ExpressionError as error:
        if "no function" in str(error):
            raise
        return str(error)


def _scope(subject: Subject, layered: Layered, keys: Keys, value: Value) -> Scope:
    release = layered.release
    fixed: dict[tuple[str, ...], Any] = {
        ("environment",): release.environment,
        ("service",): release.service,
        ("helm", "timeout"): release.timeout_seconds,
        ("value",): value,
        ("key",): keys[-1] if keys else None,
        ("replicas",): fewest(layered)[0],
    }

    def find(names: tuple[str, ...]) -> Any:
        return fixed[names] if names in fixed else lookup(layered.values, *names)

    def tried(environment: str, found: Any) -> bool:
        names = next(
            (names for names, seen in reversed(scope.read.items()) if seen == found and names not in fixed), ()
        )
        return was_in(subject, layered, environment, names, found)

    scope = Scope(
        find,
        {
            "seconds": seconds,
            "quantity": quantity,
            "mentions": lambda text, word: (
                re.search(rf"(?<![a-z0-9]){re.escape(word)}(?![a-z0-9])", str(text).lower()) is not None
            ),
            "matches": lambda text, pattern: re.search(pattern, str(text)) is not None,
            "was_in": tried,
        },
    )
    return scope


def matching(values: Value, pattern: str) -> Iterator[tuple[Keys, Value]]:
    """Give the keys and values that a pattern matches: `*` is one key or item, `**` every scalar below."""
    yield from _match(values, pattern.split("."), ())


def _match(value: Value, steps: list[str], keys: Keys) -> Iterator[tuple[Keys, Value]]:
    if not steps:
        yield keys, value
        return
    children: list[tuple[str | int, Value]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    elif steps == ["**"]:
        yield keys, value
    for name, child in children:
        if steps[0] == "**":
            yield from _match(child, steps, (*keys, name))
        elif steps[0] in {"*", str(name)}:
            yield from _match(child, steps[1:], (*keys, name))


def _report(spec: dict[str, Value], layered: Layered, read: list[Any], found: str) -> Problem:
    message = f"{spec['id']}: {spec['require']} does not hold in {layered.release.name}: {found}"
    remedy = f"{spec['why']}"
    keys = [name for names in read for name in (KEYS if names == ("replicas",) else [names])]
    origins = [origin for origin in map(layered.origin, keys) if origin is not None]
    if not origins:
        return Problem(Position(layered.layers[-1].path, 1, 1), message, remedy)

    def height(origin: Origin) -> int:
        return layered.layers.index(layered.layer(origin))

    return at_value(max(origins, key=height).entry, message, remedy)


def _found(scope: Scope) -> str:
    names = (("environment",), ("service",))
    return ", ".join(f"{dotted(keys)} is {shown(value)}" for keys, value in scope.read.items() if keys not in names)


def _parity(spec: dict[str, Value], releases: list[Layered]) -> Iterator[Problem]:
    allowed = [re.compile(re.escape(name).replace(r"\*", ".*")) for name in _names(spec.get("allow"))]
    by_service: dict[str, list[Layered]] = {}
    for layered in releases:
        by_service.setdefault(layered.release.service, []).append(layered)
    for group in by_service.values():
        keys_of = {id(layered): set(_leaf_keys(layered.values, ())) for layered in group}
        for layered in group:
            for other in group:
                for keys in sorted(keys_of[id(layered)] - keys_of[id(other)], key=dotted):
                    origin = layered.origin(keys)
                    if origin is None or any(pattern.fullmatch(dotted(keys)) for pattern in allowed):
                        continue
                    yield at_key(
                        _remover(other, keys) or origin.entry,
                        f"{spec['id']}: {dotted(keys)} is set in {layered.release.name}, "
                        f"and not in {other.release.environment}",
                        f"{spec['why']}",
                    )


def _remover(layered: Layered, keys: tuple[str, ...]) -> Entry | None:
    """Find what took a key of the chart away: a null, or something else that is no mapping, in a layer above it."""
    if layered.layers[0].find(keys) is None:
        return None
    for length in range(1, len(keys) + 1):
        origin = layered.origin(keys[:length])
        if origin is not None and not isinstance(origin.entry.value, dict):
            return origin.entry
    return None


def _leaf_keys(value: Value, keys: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(value, dict) and value:
        for name, child in value.items():
            yield from _leaf_keys(child, (*keys, name))
    elif value != {}:
        yield keys


def _names(value: Value) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []
