# ruff: noqa: E501 - inputs stand as they are
"""The reader against Helm: never accepts what Helm refuses, and reads the same values and types where both accept.

`mldeploy-dialect` (scripts/toolchain/dialect) calls Helm's own loader for thousands of inputs in one process; that it
says what `helm template` says is tested here, too. A million mutated inputs:
`MLDEPLOY_FUZZ_INPUTS=1000000 MLDEPLOY_FUZZ_SEED=7 pytest tests/charts/test_dialect.py -k mutated`.
"""

from __future__ import annotations

import json
import os
import random
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mldeploy import process
from mldeploy.values.document import ReadError
from mldeploy.values.reader import parse
from tests.charts.dialect import Dialect, same

SECONDS_FOR_ONE = 0.2

SCALARS = r"""
a|a1|no|y|Y|yes|YES|yES|on|off|NO|n|N|true|True|TRUE|tRUE|false|null|~|Null|NULL|nULL|0|1|-1|+1|010|08|09|-010|0o17|0o8
0O17|0x1F|0XFF|-0x1F|0x|0b11|0b2|0b|0b-1|0b+1|-0b1|-0b-1|0B1|1e3|1E3|1e+3|1e400|1e-400|1.0|1.|.5|.5e3|-.5|+.5|.|..|...|.e5
.5_0|._5|.5_|.5__0|1_000|1__0|_1|1_|+_1|-_|+|-|12|12:30|190:20:30|2026-11-21|2026-1-2|2026-11-21T10:00:00Z
12345678901234567890123|18446744073709551615|18446744073709551616|9223372036854775807|-9223372036854775808
-9223372036854775809|+9223372036854775808|0xFFFFFFFFFFFFFFFF|0x1FFFFFFFFFFFFFFFF|0777777777777777777777777
.inf|-.inf|.nan|+.INF|.Inf|.INf|12345678|1e-7|1e21|123456789012345678|9007199254740993|0.1|-0|-0.0|0.0|<<|=|
!!str|!!null|!!str 1|!!int 1|!!int "1"|!!int 1.5|!!int x|!!float 1|!!float x|!!float 18446744073709551615
!!float 9223372036854775807|!!bool "yes"|!!bool x|!!bool 1|!!binary YQ==|!!binary /w==|!!binary 4oI=|!!binary Y
!!binary YQ=|!!timestamp 2020-01-01|!!timestamp x|!foo bar|! 12|! "12"|! 'x'|&a 1|&a ! 12|! &a 12|!!null ''|!!null foo
!!set {a}|!!omap [a: 1]|!<tag:yaml.org,2002:str> 1|!e!x 1|""|''|"no"|'no'|"\x41"|"\u00e9"|"\ud800"|"\q"|"\0"|"\/"|"a\
{}|[]|[a]|{a: 1}|{a}|[a?b]|[?a]|[http://x?y=1]|{a?b: 1}|[a:b]|[a: b]|{a:1}|{a:,}|{"a":1}|[-]|[-1]|[- 1]|[-,]|[a,]|[,]|{,}
@a|`a|%a||a|>a|a#b|a #b|"a"#b|"a"b|[a]b|a:b|a: b|:a|: a|?a|? a|-a|- a|*a|&a|&|*|! |||>|>-|>+|2|>2|0|>0|10|1-|é|😀|a\tb
"""
FRAMES = (
    "k: %s", "k: %s # c", "k: [%s]", "k: [%s, x]", "k: {a: %s}", "k: {%s: 1}", "? %s\n: v", "%s: v", "k:\n  - %s", "%s",
    "- %s", "k: %s\nm: 2", "k:\n  %s\n  b", "{%s}", "[%s]", "k: !!str %s", 'k: "%s"', "k: '%s'", "k: %s:\n", "k: |\n  %s",
    "a: &x %s\nb: *x\nc: {*x : d}", "a: 1\n<<: %s", "<<: %s\na: 1", "k: >-\n  %s\n\n  z", "a: 1\n...\n%s", "--- %s", "---%s",
)  # fmt: skip

# The examples of the YAML specification, the shapes of the YAML test suite, and what has surprised people.
SHAPES = (
    "", "\n", "# only a comment\n", "---\n", "---\n---\n", "...\n", "--- # c\n", "---\n# c\n", "a: 1", "a: 1\n\n\n",
    "a: 1\r\nb: |\r\n  x\r\n  y\r\n", "a: 1\rb: 2\r", "\ufeffa: 1\n", "\ufeff---\na: 1\n", "a: \ufeff1\n",
    "a:\n- b\n-  - c\n   - d\n", "a:\n  b: 1\n c: 2\n", "a:\n\tb: 1\n", "a: b\n\tc: d\n", "a:\tb\n", "a: b\t# c\n",
    "a: 'it''s'\nb: \"x\\ty\"\n", "a: |\n  x\n   y\n  z\n", "a: |-\n\n  x\n\nb: 1\n", "a: |+\n  x\n\nb: 1\n", "a: >\n  x\n  y\n\n  z\n   w\n",
    "a: |2\n   x\n", "a: |\n x\ny: 1\n", "a: |\n  ---\n  b\n", "a: |\n---\nb: 1\n", "a: \"x\n  y\n\n  z\"\n", "a: x\n  y\n\n  z\n",
    "a: &x {b: 1}\nc: *x\n", "a: &x [1, *x]\n", "a: &x\n  b: *x\n", "a: *x\n", "a: &x 1\nb: &x 2\nc: *x\n", "&a a: 1\n*a : 2\n",
    "base: &b {x: 1, y: 2}\na: {<<: *b, x: 3}\n", "base: &b {x: 1}\na: {x: 3, <<: *b}\n", "a: {<<: [{x: 1}, {x: 2, y: 3}]}\n",
    "a: {<<: 1}\n", "a: {<<: [1]}\n", "a: {\"<<\": {x: 1}}\n", "a: {<<: {x: 1}, <<: {y: 2}}\n", "<<: {a: 1}\nb: 2\n", "a: {<<: null}\n",
    "a: 1\na: 2\n", "a: {b: 1}\na: {c: 2}\n", "1: a\n1.0: b\n", "1: a\n\"1\": b\n", "1e210: a\n.inf: b\n", "1e3: a\n1e3: b\n", ".nan: a\n.nan: b\n", "0.1: a\n0.100000000001: b\n", "0.0: a\n-0.0: b\n", "null: a\n", "~: a\n", ": a\n", "? \n: a\n", "[a]: b\n", "{a: b}: c\n",
    "1: a\n2.5: b\ntrue: c\n0x10: d\n1e3: e\n1e21: f\n123456789.5: g\n0.00001: h\n.inf: i\n-.inf: j\n.nan: k\n-0.0: l\n",
    "18446744073709551615: a\n", "3.4e39: a\n", "1e-46: a\n", "16777217.0: a\n", "0.1: a\n", "1e5: a\n", "1e6: a\n", "1234567.0: a\n",
    "a: 1\n---\nb: 2\n", "a: {x: 1}\n---\na: {y: 2}\n", "a: 1\n---\na: null\n", "a: 1\n---\n[x]\n", "a: 1\n...\nb: [\n", "a: 1\n--- b\n", "a: 1\n---b\n",
    "%YAML 1.1\n---\na: 1\n", "%YAML 1.2\n---\na: 1\n", "%TAG ! tag:x,2000:\n---\na: 1\n", "\ufeff%YAML 1.1\n---\na: 1\n", "a: 1\n%YAML 1.1\n",
    "- a\n", "a\n", "1\n", "null\n", "[]\n", "{}\n", "~\n", "{a: 1}\n", "{a: 1, b: [c, {d: e}]}\n", "{a: 1\nb: 2}\n", "[a\n", "{a\n", "a: [\n]\n", "a: [b,\nc]\n",
    "a: {b: {c: {d: {e: {}}}}}\n", "? a\n: b\n? c\n", "? |\n  x\n: y\n", "? - a\n: b\n", "- - - a\n", "a:\n  - b: c\n    d: e\n  -\n    f: g\n",
    "american:\n  - Boston Red Sox\n  - Detroit Tigers\nnational:\n  - New York Mets\n", "-\n  name: Mark McGwire\n  hr: 65\n", "Mark McGwire: {hr: 65, avg: 0.278}\n",
    "hr: # 1998 hr ranking\n  - Mark McGwire\nrbi:\n  # 1998 rbi ranking\n  - Sammy Sosa\n", "? - Detroit Tigers\n  - Chicago cubs\n: - 2001-07-23\n",
    "unicode: \"Sosa did fine.\\u263A\"\ncontrol: \"\\b1998\\t1999\\t2000\\n\"\nsingle: '\"Howdy!\" he cried.'\ntie-fighter: '|\\-*-/|'\n",
    "plain:\n  This unquoted scalar\n  spans many lines.\nquoted: \"So does this\n  quoted scalar.\\n\"\n", "canonical: 12345\ndecimal: +12,345\noctal: 0o14\nhexadecimal: 0xC\n",
    "canonical: 1.23015e+3\nexponential: 12.3015e+02\nfixed: 1230.15\nnegative infinity: -.inf\nnot a number: .nan\n", "not-date: !!str 2002-04-28\npicture: !!binary |\n  R0lGODlh\n  DAAMAA==\n",
    "a: !!map {b: 1}\nc: !!seq [1]\nd: !local {x: 1}\n", "a: \"\\\n  b\"\n", "a: b: c\n", "a: 'b': c\n", "a: \"b\" c\n", "a: [b] c\n", "a b: c\n", "a  : b\n", "a:b\n", "a : b\n",
    "a: &b\nc: 1\n", "a: !!str\nb: 1\n", "a: &b !!str c\n", "a: !!str &b c\n", "a: & b\n", "a: &b*c d\n", "a: &b,c d\n", "a: [&b,c]\n", "a: [*b,c]\n", "&a: b\n", "*a: b\n",
    "a: -\n", "a: - b\n", "a: ?\n", "a: ? b\n", "a: :\n", "a: : b\n", "a: ,\n", "a: ]\n", "a: }\n", "a: #b\n", "a:#b\n", "a: |#c\n  x\n", "a: | # c\n  x\n", "a: |a\n  x\n", "a: |9\n", "a: >1-\n x\n",
    "x" * 1025 + ": 1\n", "\"" + "x" * 1025 + "\": 1\n", "a: {" + "x" * 1025 + ": 1}\n", "? " + "x" * 1025 + "\n: 1\n", "a: " + "[" * 101 + "]" * 101 + "\n",
    "a: \x85b\n", "a: \u2028b\n", "a: \u2029 b\n", "a: \x00\n", "a: \x01\n", "a: \x7f\n", "a: \ufffe\n", "a: \u200b\n", "\u00e9: \u00fc\n", "a: \U0001f600\n", "a: \"\\U0001F600\\x85\\_\\L\"\n", "a: \"\\u0000\"\n",
)  # fmt: skip
BYTES = (b"a: \xff\n", b"a: \xe9\n", b"a: \xc3\n", b"a: \xed\xa0\x80\n", b"a: \xf5\x80\x80\x80\n", "a: 1\n".encode("utf-16"), "a: 1\n".encode("utf-16-be"), b"\xff\xfea\x00:\x00 \x001\x00\n\x00", b"\xef\xbb\xbf\xef\xbb\xbfa: 1\n")  # fmt: skip


@pytest.fixture(scope="module")
def dialect() -> Iterator[Dialect]:
    program = Dialect()
    yield program
    program.close()


def verdict(dialect: Dialect, data: bytes) -> str:
    """Say whether both accept, both refuse, or only Helm accepts; fail on anything else."""
    began = time.perf_counter()
    try:
        values, refusal = parse(data, Path("values.yaml")).values, None
    except ReadError as error:
        values, refusal = {}, error
    if refusal is not None:
        lines = data.replace(b"\r\n", b"\n").count(b"\n") + 1
        # Line separators that are no line feeds count for YAML and not for editors.
        lines += data.count(b"\r") + data.count(b"\xc2\x85") + data.count(b"\xe2\x80")
        assert 1 <= refusal.position.line <= lines, data
    assert time.perf_counter() - began < SECONDS_FOR_ONE * 20, f"took too long: {data!r}"
    helm = dialect.read(data)
    if helm.get("error"):
        assert refusal is not None, f"Helm refuses {data!r}: {helm['error']}"
        return "both refuse"
    if refusal is not None:
        return "only Helm accepts"
    assert same(values, helm["values"]), f"{data!r}: {values!r} is {helm['values']!r} in Helm"
    return "both accept"


def test_scalars_in_every_frame(dialect: Dialect) -> None:
    scalars = [scalar for line in SCALARS.strip().split("\n") for scalar in line.split("|")]
    verdicts = [verdict(dialect, frame.replace("%s", scalar).encode()) for scalar in scalars for frame in FRAMES]
    assert verdicts.count("both accept") > 3000
    assert verdicts.count("both refuse") > 500
    assert verdicts.count("only Helm accepts") < 0.03 * len(verdicts)


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(dialect: Dialect, shape: str) -> None:
    verdict(dialect, shape.encode())


@pytest.mark.parametrize("data", BYTES)
def test_encodings(dialect: Dialect, data: bytes) -> None:
    verdict(dialect, data)


# What Helm accepts and this reader refuses on purpose; anything else that only Helm accepts is looked at here first.
STRICTER = {
    "a: &x 1\nb: &x 2\nc: *x\n": "an anchor defined twice",
    "1: a\n\"1\": b\n": "two keys that become one, at random",
    "1: a\n1.0: b\n": "the same",
    "1e210: a\n.inf: b\n": "the same: both are too large for the float32 that names keys",
    ".nan: a\n.nan: b\n": "the same: no NaN equals another",
    "0.1: a\n0.100000000001: b\n": "the same: one float32",
    "a: " + "[" * 101 + "]" * 101 + "\n": "nested deeper than the limit",
}  # fmt: skip


# The same by what is said, in the order of the table in docs/lint.md.
STRICTER_REASONS = re.compile(
    "duplicate anchor|is set twice, once as|a key may not be a list or a mapping|quote a timestamp"
    "|for a part of the tag|while scanning a tag|while parsing a tag|byte order mark|inside \\[ \\] or|found unexpected ':'"
    "|did not find expected key|unknown escape|needs a mapping|nest deeper|more than"
)


def test_every_reason_for_being_stricter_is_known(dialect: Dialect) -> None:
    scalars = [scalar for line in SCALARS.strip().split("\n") for scalar in line.split("|")]
    source = random.Random(11)  # noqa: S311 - reproducible, no secret
    inputs = [frame.replace("%s", scalar).encode() for scalar in scalars for frame in FRAMES]
    inputs += [_mutated(source) for _ in range(2000)]
    reasons = set()
    for data in inputs:
        try:
            parse(data, Path("values.yaml"))
        except ReadError as error:
            if not dialect.read(data).get("error"):
                reasons.add(error.what)
    assert reasons
    assert [reason for reason in sorted(reasons) if not STRICTER_REASONS.search(reason)] == []


def test_what_only_helm_accepts_is_known(dialect: Dialect) -> None:
    surprises = [shape for shape in SHAPES if verdict(dialect, shape.encode()) == "only Helm accepts"]
    unexplained = [s for s in surprises if s not in STRICTER and "\ufeff" not in s and "!!timestamp" not in s]
    assert unexplained == []


def test_the_program_says_what_helm_template_says(
    dialect: Dialect, tmp_path: Path, helm: Callable[..., process.Completed]
) -> None:
    chart = tmp_path / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: dialect\nversion: 0.1.0\n")
    (chart / "templates" / "values.yaml").write_text("values: {{ .Values | toJson | quote }}\n")
    values = tmp_path / "values.yaml"
    for text in ("a: no\nb: 010\nc: 1e3\n", "a: 1\n---\nb: 2\n", "a: 12345678901234567890123\n", "n: 1\n<<: {x: 1}\n", "a: [x?y]\n", "- a\n"):  # fmt: skip
        values.write_bytes(text.encode())
        done = helm("template", "x", chart, "--values", values, ok=(0, 1))
        answer = dialect.read(text.encode())
        if answer.get("error"):
            assert done.returncode == 1
        else:
            printed = json.loads(json.loads(done.stdout.split("values: ", 1)[1]))
            assert same(answer["values"], printed)


_KEYS = st.sampled_from(["a", "b", "no", "1", "x y", "é", "<<", "", "a.b"])
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
)
_VALUES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3), max_leaves=12
)


def _written(draw: Any, value: Any, indent: int) -> str:
    """Write a value as YAML in one of several styles; scalars often plain, whatever they then mean."""
    if isinstance(value, dict) and value:
        if draw(st.booleans()):
            return "{" + ", ".join(f"{json.dumps(k)}: {_flow(v)}" for k, v in value.items()) + "}"
        pad = "\n" + "  " * indent
        return "".join(f"{pad}{_key(draw, k)}: {_written(draw, v, indent + 1)}" for k, v in value.items())
    if isinstance(value, list) and value:
        pad = "\n" + "  " * indent
        return "".join(f"{pad}- {_written(draw, v, indent + 1)}" for v in value)
    if isinstance(value, str) and value and draw(st.booleans()):
        style = draw(st.sampled_from(["plain", "single", "block"]))
        if style == "single":
            return "'" + value.replace("'", "''") + "'"
        return value if style == "plain" else "|-\n" + "  " * indent + value.replace("\n", "\n" + "  " * indent)
    return _flow(value)


def _key(draw: Any, key: str) -> str:
    return key if key and draw(st.booleans()) else json.dumps(key)


def _flow(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


@st.composite
def _documents(draw: Any) -> bytes:
    value = draw(st.dictionaries(_KEYS, _VALUES, max_size=4))
    text: str = _written(draw, value, 0).lstrip("\n")
    return text.encode("utf-8", "replace")


@settings(
    max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(data=_documents())
def test_generated_documents(dialect: Dialect, data: bytes) -> None:
    verdict(dialect, data)


SEEDS = (
    *(shape.encode() for shape in SHAPES if 20 < len(shape) < 400),
    b"# c\nimage:\n  repository: \"localhost/x\"   # c\n  tag: 1.2.3\nenv: {A: b, C: [1, 2, \"x\"], D: 'e'}\nlist:\n- a\n- b: c\n  d: |\n    text\n      more\n  e: >-\n    folded\n    text\n\n- - x\n  - y\nanchors: &a\n  x: 1\n  <<: {q: 2}\nother:\n  <<: *a\n  z: *a\n? complex\n: value\n\"quoted key\": !!str 12\nmulti line\n  plain: no\nlast: ~\n",
)  # fmt: skip
_BITS = (b" ", b"\n", b"\t", b":", b"-", b"?", b"#", b"&", b"*", b"!", b"|", b">", b"'", b'"', b"%", b"@", b"`", b"{", b"}", b"[", b"]", b",", b"a", b"1", b".", b"---", b"...", b"<<", b"\r", b"\r\n", b"\\", b"~", b": ", b"- ", b"? ", b"  ", b"\xc2\x85", b"\xe2\x80\xa8", b"\xef\xbb\xbf", b"\xc3\xa9", b"&a ", b"*a ", b"!!str ", b"null", b"_", b"0x", b"0", b"e", b"\x00", b"\xff")  # fmt: skip


def _mutated(source: random.Random) -> bytes:
    data = bytearray(source.choice(SEEDS))
    for _ in range(source.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        kind, at = source.random(), source.randrange(len(data) + 1)
        if kind < 0.45:
            data[at:at] = source.choice(_BITS)
        elif kind < 0.7:
            del data[at : at + source.choice((1, 1, 2, 3, 8))]
        elif kind < 0.9:
            data[at : at + 1] = source.choice(_BITS)
        else:
            start = source.randrange(len(data) + 1)
            data[at:at] = data[start : start + source.randrange(1, 12)]
    return bytes(data)


def test_mutated_inputs(dialect: Dialect) -> None:
    count = int(os.environ.get("MLDEPLOY_FUZZ_INPUTS", "3000"))
    source = random.Random(int(os.environ.get("MLDEPLOY_FUZZ_SEED", "1")))  # noqa: S311 - reproducible, no secret
    verdicts = [verdict(dialect, _mutated(source)) for _ in range(count)]
    assert verdicts.count("both accept") > count / 20
    assert verdicts.count("both refuse") > count / 20
