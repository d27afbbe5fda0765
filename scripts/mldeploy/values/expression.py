"""The small language of invariants: values' keys, numbers, strings, comparisons, arithmetic, and a few functions.

It is Python's expression syntax, read with `ast` and evaluated here; nothing of Python itself can be reached.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda item, container: item in container,
    ast.NotIn: lambda item, container: item not in container,
}
_MAX_LENGTH = 500


class ExpressionError(ValueError):
    """The expression cannot be read, or has no value here; the message says why."""


@dataclass
class Scope:
    """What names mean, and which keys an evaluation looked at.

    Attributes:
        lookup: gives the value of dotted keys; None where there is none.
        functions: by name; each gets the evaluated arguments.
        read: the keys that were looked at, in order, with their values.
    """

    lookup: Callable[[tuple[str, ...]], Any]
    functions: Mapping[str, Callable[..., Any]]
    read: dict[tuple[str, ...], Any] = field(default_factory=dict)


def parse(text: str) -> ast.expr:
    """Read an expression.

    Raises:
        ExpressionError: it is none, or uses something that the language does not have.
    """
    if len(text) > _MAX_LENGTH:
        raise ExpressionError(f"longer than {_MAX_LENGTH} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ExpressionError(f"not an expression: {error}") from error
    for node in ast.walk(tree):
        _check(node)
    return tree


def evaluate(node: ast.expr, scope: Scope) -> Any:
    """Give an expression's value.

    Raises:
        ExpressionError: an operand has the wrong type, such as a key that is not set.
    """
    try:
        return _value(node, scope)
    except (TypeError, ZeroDivisionError, AttributeError, re.error) as error:
        unset = [".".join(keys) for keys, value in scope.read.items() if value is None]
        why = f"{', '.join(unset)} is not set" if unset else str(error)
        raise ExpressionError(why) from error


def _check(node: ast.AST) -> None:
    allowed = (
        ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.BinOp, *_BINARY, ast.Compare, *_COMPARE,
        ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.Load, ast.Call, ast.List, ast.Tuple,
    )  # fmt: skip
    if not isinstance(node, allowed):
        raise ExpressionError(f"{type(node).__name__} is not part of the language")
    if isinstance(node, ast.Call) and (not isinstance(node.func, ast.Name) or node.keywords):
        raise ExpressionError("only functions are called, without named arguments")
    if isinstance(node, ast.Constant) and not isinstance(node.value, str | int | float | bool | None):
        raise ExpressionError(f"{node.value!r} is not part of the language")
    if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Constant):
        raise ExpressionError("a key in brackets is written in quotes")


def _value(node: ast.expr, scope: Scope) -> Any:  # noqa: PLR0911 - one line for each kind of node
    match node:
        case ast.Constant():
            return node.value
        case ast.Name() | ast.Attribute() | ast.Subscript():
            keys = _keys(node)
            scope.read[keys] = scope.lookup(keys)
            return scope.read[keys]
        case ast.List() | ast.Tuple():
            return [_value(item, scope) for item in node.elts]
        case ast.UnaryOp():
            inner = _value(node.operand, scope)
            return not inner if isinstance(node.op, ast.Not) else -inner
        case ast.BinOp():
            return _BINARY[type(node.op)](_value(node.left, scope), _value(node.right, scope))
        case ast.BoolOp():
            wanted = isinstance(node.op, ast.Or)
            return wanted if any(bool(_value(item, scope)) is wanted for item in node.values) else not wanted
        case ast.Compare():
            operands = [_value(item, scope) for item in (node.left, *node.comparators)]
            pairs = zip(node.ops, operands, operands[1:], strict=False)
            return all(_COMPARE[type(op)](left, right) for op, left, right in pairs)
        case ast.Call(func=ast.Name(id=name)):
            if name not in scope.functions:
                raise ExpressionError(f"there is no function {name}; there are {', '.join(sorted(scope.functions))}")
            return scope.functions[name](*(_value(argument, scope) for argument in node.args))
    raise ExpressionError(f"{type(node).__name__} is not part of the language")


def _keys(node: ast.expr) -> tuple[str, ...]:
    match node:
        case ast.Name():
            return (node.id,)
        case ast.Attribute():
            return (*_keys(node.value), node.attr)
        case ast.Subscript(slice=ast.Constant(value=key)):
            return (*_keys(node.value), str(key))
    raise ExpressionError("a key begins with a name")
