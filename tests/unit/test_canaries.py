"""The searcher of the leak tests: every shape of secret is found in every wrapping, and nothing where nothing is."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from tests.fixtures.canaries import Canary, found, plant, zipped

CANARIES = plant("unit", 13)
WRAPPINGS: dict[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "base64": lambda text: base64.b64encode(text.encode()),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()),
    "base64 twice": lambda text: base64.b64encode(base64.b64encode(text.encode())),
    "a URL": lambda text: quote(text, safe="").encode(),
    "a form": lambda text: quote_plus(text).encode(),
    "JSON": lambda text: json.dumps(text).encode(),
    "JSON in UTF-8": lambda text: json.dumps(text, ensure_ascii=False).encode(),
    "gzip": lambda text: gzip.compress(text.encode()),
    "gzip amid others": lambda text: b"before" + gzip.compress(text.encode()) + b"after",
    "a git object": lambda text: zlib.compress(b"blob 1\0" + text.encode()),
    "a release of Helm's": zipped,
}


@pytest.mark.parametrize("canary", CANARIES, ids=lambda canary: canary.name)
def test_a_secret_is_found_in_any_wrapping_wherever_it_stands(canary: Canary) -> None:
    for before in ("", "a", "ab", "abc", "key: "):
        for name, wrap in WRAPPINGS.items():
            data = b"data " + wrap(before + canary.text + " after") if "git" not in name else wrap(before + canary.text)
            assert found(CANARIES, data) == {canary.name}, f"{name} after {before!r}"


def test_half_of_a_secret_is_found_too() -> None:
    for canary in CANARIES:
        line = max(canary.secret.splitlines(), key=len)
        for half in (line[: len(line) * 2 // 3], line[len(line) // 3 :]):
            assert found(CANARIES, half.encode()) == ({canary.name} if len(half) >= 16 else set())


def test_nothing_is_found_where_nothing_is() -> None:
    others = plant("others", 13)
    text = "\n".join(canary.text for canary in others)
    assert all(found(CANARIES, wrap(text)) == set() for wrap in WRAPPINGS.values())
