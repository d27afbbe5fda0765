"""What Helm makes of one scalar: go.yaml.in/yaml v2's resolver, then sigs.k8s.io/yaml's round trip through JSON.

Every number is a float64 by the time a template sees it; integral ones that are exact are ints here, which Python
compares and prints more readably and which is the same JSON.
"""

from __future__ import annotations

import base64
import codecs
import math
import re
import struct

Scalar = None | bool | int | float | str

_EXACT = 2**53
_EXPONENT_FROM = 6  # strconv's %g writes an exponent from here on when it looks for the shortest form
_TRUE = ("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON")
_FALSE = ("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF")
_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(_TRUE, True),
    **dict.fromkeys(_FALSE, False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
# The first byte decides whether Go's resolver looks any further.
_HINTS = frozenset("+-.0123456789yYnNtTfFoO~")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
# Go's ParseFloat takes underscores between digits; only a float that begins with a dot reaches it with them.
_DOT_FLOAT = re.compile(r"\.[0-9]+(_[0-9]+)*([eE][-+]?[0-9]+(_[0-9]+)*)?")
_INTEGER = re.compile(r"([-+]?)(0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|[1-9][0-9]*|0)")
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_BINARY = re.compile(r"(-?)0b([-+]?)([01]+)")

_TAG = "tag:yaml.org,2002:"
STRING_TAG = _TAG + "str"
MERGE_TAG = _TAG + "merge"
_BINARY_TAG = _TAG + "binary"
_TIMESTAMP_TAG = _TAG + "timestamp"
_RESOLVABLE = {
    _TAG + "bool": "bool",
    _TAG + "int": "int",
    _TAG + "float": "float",
    _TAG + "null": "null",
    _TIMESTAMP_TAG: "timestamp",
}


class ScalarError(ValueError):
    """Helm refuses the scalar; the message says why."""


def plain(text: str) -> Scalar:
    """Resolve an unquoted scalar without a tag.

    Args:
        text: the scalar as the parser gives it.

    Returns:
        The value as `float64`, `bool`, string or null; NaN and infinities too, which only keys may be.
    """
    if text and text[0] not in _HINTS:
        return text
    if text in _WORDS:
        return _WORDS[text]
    first = text[0]
    if first == ".":
        return _decimal(text) if _DOT_FLOAT.fullmatch(text) else text
    if first.isalpha() or first == "~":
        return text
    return _number(text)


def tagged(text: str, tag: str) -> Scalar:
    """Resolve a scalar with an explicit tag, quoted or not.

    Raises:
        ScalarError: the text is not of the tag's type, as Helm sees it.
    """
    if tag == _BINARY_TAG:
        return _binary(text)
    wanted = _RESOLVABLE.get(tag)
    if wanted is None:
        return text
    if wanted == "timestamp":
        raise ScalarError(f"'{text}': quote a timestamp instead of tagging it")
    value = plain(text)
    kind = kind_of(value)
    if isinstance(value, str) or (kind == "number" and wanted not in {"int", "float"}):
        raise ScalarError(f"'{text}' is not of the tag's type !!{wanted}")
    if kind == "number":
        integer = _integer(text.replace("_", ""))
        # Go's resolver turns an int64 into a float where the tag asks for one, but not a uint64.
        if (integer is None) if wanted == "int" else (integer is not None and integer >= 2**63):
            raise ScalarError(f"'{text}' is not of the tag's type !!{wanted}")
        return float(value) if wanted == "float" and value is not None else value
    if kind != {"bool": "boolean", "null": "null"}.get(wanted):
        raise ScalarError(f"'{text}' is not of the tag's type !!{wanted}")
    return value


def kind_of(value: object) -> str:
    """Name a value's type as JSON Schema does: null, boolean, number, string, object or array."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "object" if isinstance(value, dict) else "array"


def key(text: str, value: Scalar) -> tuple[str, str]:
    """Turn a key into the string that the values get, as sigs.k8s.io/yaml does.

    Args:
        text: the key as it is written.
        value: what `plain` or `tagged` made of it.

    Returns:
        The key, and what it was before, a Go type with the value of a float: two keys of one mapping that agree in the
        first and differ in the second collide, and Go keeps one of them at random.

    Raises:
        ScalarError: Helm has no string for such a key (null, integers of more than 63 bits).
    """
    if isinstance(value, str):
        return value, "string"
    if value is None:
        raise ScalarError("a key may not be null")
    if isinstance(value, bool):
        return ("true" if value else "false"), "bool"
    integer = _integer(text.replace("_", "")) if isinstance(value, int) else None
    if integer is not None:
        if integer >= 2**63:
            raise ScalarError(f"the key {text} is a number of more than 63 bits")
        return str(integer), "int"
    return _float32(float(value)), f"float {value}"


def _number(text: str) -> Scalar:
    bare = text.replace("_", "")
    integer = _integer(bare)
    if integer is not None:
        return int(float(integer)) if abs(integer) > _EXACT else integer
    if _FLOAT.fullmatch(bare):
        value = _decimal(bare)
        return text if isinstance(value, str) else value
    return text


def _integer(bare: str) -> int | None:
    """Read what Go's ParseInt or ParseUint with base 0 reads, and go-yaml's extra `0b` forms."""
    match = _INTEGER.fullmatch(bare)
    if match:
        sign, digits = match.groups()
        if digits[:2].lower() in {"0x", "0o", "0b"}:
            value = int(digits, 0)
        elif len(digits) > 1 and digits[0] == "0":
            value = int(digits, 8)
        elif len(digits) > 20:
            return None  # over 64 bits for certain, and Python limits the digits it converts
        else:
            value = int(digits)
        value = -value if sign == "-" else value
        if -(2**63) <= value < 2**63 or (value >= 0 and not sign and value < 2**64):
            return value
    match = _BINARY.fullmatch(bare)
    if match and not (match[1] and match[2]):
        value = int(match[3], 2) * (-1 if "-" in (match[1], match[2]) else 1)
        if -(2**63) <= value < 2**63:
            return value
    return None


def _decimal(text: str) -> float | int | str:
    value = float(text)
    return text if math.isinf(value) else _json(value)


def _json(value: float) -> float | int:
    if value == 0 and math.copysign(1.0, value) < 0:
        return value
    return int(value) if value.is_integer() and abs(value) <= _EXACT else value


def _float32(value: float) -> str:
    """Write a float as Go's `FormatFloat(value, 'g', -1, 32)`, with YAML's names for infinities and NaN."""
    if math.isnan(value):
        return ".nan"
    try:
        single = _single(value)
    except OverflowError:
        single = math.copysign(math.inf, value)
    if math.isinf(single):
        return ".inf" if single > 0 else "-.inf"
    shortest = (f"{single:.{places}e}" for places in range(9))
    digits = next(text for text in shortest if _single(float(text)) == single)
    mantissa, exponent = digits.split("e")
    power = int(exponent)
    if power < -4 or power >= _EXPONENT_FROM:
        return f"{mantissa}e{power:+03d}"
    return _positional(mantissa, power)


def _single(value: float) -> float:
    return float(struct.unpack("f", struct.pack("f", value))[0])


def _positional(mantissa: str, power: int) -> str:
    sign = "-" if mantissa.startswith("-") else ""
    digits = mantissa.lstrip("-").replace(".", "")
    if power < 0:
        return f"{sign}0.{'0' * (-power - 1)}{digits}"
    whole = digits[: power + 1].ljust(power + 1, "0")
    rest = digits[power + 1 :]
    return sign + whole + (f".{rest}" if rest else "")


def _binary(text: str) -> str:
    bare = text.replace("\r", "").replace("\n", "")
    if not _BASE64.fullmatch(bare):
        raise ScalarError("!!binary holds invalid base64")
    data = base64.b64decode(bare)
    return data.decode("utf-8", "mldeploy-go")


def _replace_byte(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "�", error.start + 1


# Go's encoding/json replaces each invalid byte by U+FFFD; Python's "replace" takes the longest invalid prefix as one.
codecs.register_error("mldeploy-go", _replace_byte)
