"""Published YAML: every reader takes a text for that text, whatever it looks like."""

from __future__ import annotations

import random
import sys
from typing import Any

import pytest
import yaml

from mldeploy import process
from mldeploy.render import document, parse
from mldeploy.toolchain import tool

TRAPS = [
    *(
        "y",
        "Y",
        "n",
        "yes",
        "No",
        "on",
        "OFF",
        "true",
        "False",
        "null",
        "Null",
        "~",
        "",
        " ",
        "=",
        "<<",
        "-",
        "--",
        "---",
    ),
    *(
        "1",
        "010",
        "0o755",
        "0x1F",
        "0b11",
        "1_000",
        "1e3",
        "1E3",
        "1.0",
        ".5",
        "+1",
        "-1",
        ".inf",
        "-.Inf",
        ".nan",
        "nan",
    ),
    *("12:30", "12:30:45", "2026-11-21", "2026-11-21T10:00:00Z", "12345678", "99999999999999999999999", "1e400", "inf"),
    *(
        "a: b",
        "a:",
        ":a",
        "a #b",
        "#a",
        "# a",
        "a#b",
        "&a",
        "*a",
        "!a",
        "|",
        ">",
        "%a",
        "@a",
        "`a",
        "'a'",
        '"a"',
        "a\\b",
    ),
    *(
        "{{ .Values.a }}",
        "{a: b}",
        "[a]",
        "a, b",
        "? a",
        "- a",
        "...",
        "${A}",
        "$(A)",
        "\\n",
        "a\tb",
        "\ta",
        "a ",
        " a",
    ),
    *(
        "a\nb",
        "a\nb\n",
        "a\n\nb\n\n",
        "\na",
        "  a\n b\n",
        "a \nb",
        "a\r\nb",
        "a\rb",
        "a\n---\nb",
        "key: |\n  a\n",
        "\n",
        "a\n\t",
    ),
    *("é", "日本", "\u2028", "\u0085", "\ufeff", "\u200b", "\U0001f600", "\x7f", "\x1b[0m", "a" * 5000, "a b " * 500),
    *(
        "localhost/a:1",
        "sha256:0a",
        "/a/b",
        "a@b",
        "a.b-c_d",
        "http://a:80/b?c=d#e",
        "apps/v1",
        "v1",
        "e3",
        "E",
        "0",
        "-",
    ),
]


def texts(count: int) -> list[str]:
    chance = random.Random(7)  # noqa: S311 - no secret is made of it
    alphabet = [*"aeyn0o1x:-#'\"{}[]&*!|>%@,.~=+ \n\t\\$", "é", "\u2028", "\U0001f600", chr(sys.maxunicode - 2)]
    return ["".join(chance.choices(alphabet, k=chance.randrange(1, 9))) for _ in range(count)]


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    every = [*TRAPS, *texts(3000)]
    return {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": "c"},
        "data": {f"k{number}": text for number, text in enumerate(every)},
        "keys": {text: "a" for text in every if text},
        "list": every,
        "values": [True, False, None, 0, -1, 1.5, 1e20, 2**53, [], {}, [[]], {"a": []}],
    }


def test_helm_s_reader_reads_what_was_written(data: dict[str, Any]) -> None:
    ((one,),) = parse([document.write(data)])
    assert one.data == data


def test_python_s_does(data: dict[str, Any]) -> None:
    assert yaml.load(document.write(data, comment="a remark"), Loader=yaml.CSafeLoader) == data


def test_kustomize_does(data: dict[str, Any], tmp_path: Any) -> None:
    # kustomize itself takes no other control characters than these.
    printable = {key: text for key, text in data["data"].items() if all(c.isprintable() or c in "\n\t" for c in text)}
    plain = {**{key: data[key] for key in ("apiVersion", "kind", "metadata")}, "data": printable}
    (tmp_path / "c.yaml").write_bytes(document.write(plain).encode())
    (tmp_path / "kustomization.yaml").write_text("resources: [c.yaml]\n")
    printed = process.run([tool("kustomize"), "build", tmp_path], timeout_s=60).stdout
    ((one,),) = parse([printed])
    assert one.data["data"] == plain["data"]


def test_the_order_of_keys_is_no_difference() -> None:
    one = {"b": {"x": 1, "name": "n"}, "kind": "K", "a": [], "apiVersion": "v1"}
    other = {"apiVersion": "v1", "kind": "K", "a": [], "b": {"name": "n", "x": 1}}
    assert document.write(one) == document.write(other)
    assert list(yaml.safe_load(document.write(one))) == ["apiVersion", "kind", "a", "b"]


def test_plain_words_are_not_quoted() -> None:
    words = {"image": "localhost/a:1", "path": "/healthz", "policy": "IfNotPresent", "said": "some plain words"}
    assert '"' not in document.write(words)


def test_equal_parts_are_written_out() -> None:
    part = {"a": ["b"]}
    assert "&" not in document.write({"one": part, "other": part})
