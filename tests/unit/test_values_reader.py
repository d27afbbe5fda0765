"""The reader: positions, what it notices on the way, and what it does with hostile or damaged files."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from mldeploy import process
from mldeploy.values.document import ReadError
from mldeploy.values.guard import MAX_BYTES
from mldeploy.values.reader import parse, read

PATH = Path("values.yaml")
SECONDS = 5.0  # far above what it takes; the exact figures are the benchmark's


def test_every_entry_has_its_place() -> None:
    text = "a:\n  b: 1\n  - c\n".replace("  - c\n", "  'd e':\n    - x\n    - {k: z}\n")
    document = parse(text.encode(), PATH)
    places = {
        entry.keys: (entry.key_position.line, entry.key_position.column, entry.position.column)
        for entry in document.walk()
    }
    assert places == {
        ("a",): (1, 1, 3),
        ("a", "b"): (2, 3, 6),
        ("a", "d e"): (3, 3, 5),
        ("a", "d e", 0): (4, 7, 7),
        ("a", "d e", 1): (5, 7, 7),
        ("a", "d e", 1, "k"): (5, 8, 11),
    }


def test_places_count_characters_and_documents() -> None:
    document = parse("\ufeffé: {ü: 1}\r\n---\r\nä: 2\r\n".encode(), PATH)
    assert [(str(entry.key_position), entry.keys) for entry in document.walk()] == [
        ("values.yaml:1:1", ("é",)),
        ("values.yaml:1:5", ("é", "ü")),
        ("values.yaml:3:1", ("ä",)),
    ]


def test_find_gives_the_entry_that_counts() -> None:
    document = parse(b"base: &b {x: 1}\na: {<<: *b, w: 2}\nc: 1\nc: 2\n---\nd: 3\n", PATH)
    found = document.find(("a", "x"))
    assert found is not None
    assert (found.value, found.position.line) == (1, 1)
    last = document.find(("c",))
    assert last is not None
    assert (last.value, last.position.line) == (2, 4)
    assert document.find(("d",)) is not None
    assert document.find(("d", "e")) is None
    assert document.find(("a", 0)) is None
    nearest = document.nearest(("a", "w", "z"))
    assert nearest is not None
    assert nearest.keys == ("a", "w")


@pytest.mark.parametrize(
    ("data", "line", "column", "what"),
    [
        (b"a: 1\nb: [1,\n", 2, 1, "did not find expected"),
        (b"a: 1\n\tb: 1\n", 2, 1, "tab"),
        (b"a: 1\nb: \xe9\n", 2, 4, "not UTF-8"),
        (b"a: 1\nb: x\x00y\n", 2, 5, "U+0000"),
        (b"a: 1\nb: x\x1by\n", 2, 5, "U+001B"),
        ("a: 1\n".encode("utf-16"), 1, 1, "UTF-16"),
        ("a: 1\n".encode("utf-32-be"), 1, 1, "UTF-16 or UTF-32"),
        (b"a: 1\n- b\n", 2, 1, "did not find expected key"),
        (b"- a\n", 1, 1, "must be a mapping"),
        (b"x: 1\na: .nan\n", 2, 4, "cannot hold .nan"),
        (b"x: 1\n? [a]\n: b\n", 2, 3, "may not be a list"),
        (b"x: 1\n~: b\n", 2, 1, "may not be null"),
        (b"x: 1\na: *b\n", 2, 4, "undefined alias"),
        (b"x: 1\n---b\n", 2, 1, "separator"),
        (b"%YAML 1.2\n---\na: 1\n", 1, 1, "directive"),
        (b"a: [x?y]\n", 1, 5, "indicator"),
        (b"a: &a [*a]\n", 1, 4, "contains itself"),
        (b"a: 1\nb: x\xef\xbb\xbf\n", 2, 1, "byte order mark"),
    ],
)
def test_what_helm_refuses_is_refused_at_its_line(data: bytes, line: int, column: int, what: str) -> None:
    with pytest.raises(ReadError) as caught:
        parse(data, PATH)
    assert (caught.value.position.line, caught.value.position.column) == (line, column)
    assert what in str(caught.value)
    assert caught.value.remedy


def _bomb(levels: int, width: int) -> bytes:
    rows = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(rows).encode()


HOSTILE = {
    "alias bomb": _bomb(9, 9),
    "wide alias bomb": _bomb(3, 300),
    "alias chain": ("a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 5000))).encode(),
    "merge bomb": b"a0: &a0 {k: 1}\n"
    + b"".join(b"a%d: &a%d {x: *a%d, y: *a%d}\n" % (n, n, n - 1, n - 1) for n in range(1, 60)),
    "brackets": b"a: " + b"[" * 40_000,
    "braces": b"a: " + b"{a: " * 40_000,
    "closed brackets": b"a: " + b"[" * 20_000 + b"]" * 20_000,
    "dashes": b"- " * 40_000,
    "question marks": b"? " * 40_000,
    "deep indentation": b"".join(b" " * n + b"a:\n" for n in range(1400)),
    "many values": b"a: [" + b"1," * 300_000 + b"]",
    "many keys": b"".join(b"k%d: 1\n" % n for n in range(100_000)),
    "many lines": b"\n" * 1_000_000,
    "long line": b"a: " + b"x" * 1_000_000,
    "long key": b"x" * 1_000_000 + b": 1",
    "many digits": b"a: " + b"9" * 900_000,
    "many anchors": b"".join(b"k%d: &a%d 1\n" % (n, n) for n in range(25_000)),
    "many quotes": b"a: '" + b"''" * 400_000 + b"'",
    "too large": b"# " + b"x" * MAX_BYTES,
    "comments": b"#\n" * 400_000 + b"a: 1\n",
    "tabs": b"\t" * 900_000,
    "separators": b"---\n" * 200_000,
    "nested blocks of text": b"a: |\n" + b"  x\n" * 200_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_end_quickly_with_an_error_or_values(name: str) -> None:
    began = time.process_time()
    refusal = None
    try:
        json.dumps(parse(HOSTILE[name], PATH).values)
    except ReadError as error:
        refusal = error
    assert refusal is None or (refusal.position.line >= 1 and refusal.remedy)
    assert time.process_time() - began < SECONDS


def test_hostile_files_stay_within_memory(tmp_path: Path) -> None:
    """All of them, one after the other, in a process that may not have more than 400 MB of address space."""
    for number, data in enumerate(HOSTILE.values()):
        (tmp_path / f"{number}.yaml").write_bytes(data)
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from mldeploy.values.reader import read; from mldeploy.values.document import ReadError\n"
        "resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))\n"
        "for path in sorted(Path(sys.argv[1]).iterdir()):\n"
        "    try: read(path)\n"
        "    except ReadError: pass\n"
        "print('done')"
    )
    scripts = Path(__file__).parents[2] / "scripts"
    done = process.run([sys.executable, "-c", code, tmp_path], timeout_s=120, env={"PYTHONPATH": str(scripts)})
    assert done.stdout == "done\n"


def test_a_large_ordinary_file_is_read() -> None:
    text = "".join(f"section{n}:\n  enabled: true\n  name: value{n}\n  list: [a, b]\n" for n in range(2000))
    assert len(parse(text.encode(), PATH).values) == 2000


def test_a_long_string_with_many_commas_and_brackets_is_read() -> None:
    text = "data: |\n" + "  [{(,,,- - -,,,\n" * 8000
    assert len(str(parse(text.encode(), PATH).values["data"])) > 100_000


def test_missing_file_and_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(ReadError):
            read(path)
