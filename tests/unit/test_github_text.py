"""What a stranger's Markdown may still do in a comment of ours: look like text."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldeploy.github.text import LIMIT, harmless, limited

GAP = "\u200b"


@pytest.mark.parametrize(
    ("hostile", "gone"),
    [
        ("ping @somebody and @org/team", "@somebody"),
        ("closes #12", "#12"),
        ("see GH-12", "GH-12"),
        ("<img src=x onerror=alert(1)>", "<img"),
        ("<details onclick=x>", "<details onclick"),
        ("<script>alert(1)</script>", "<script"),
        ("![x](https://evil.example/pixel.png)", "]("),
        ("[approve here](https://evil.example)", "]("),
        ("[approve here]: https://evil.example", "]:"),
        ("https://evil.example", "https://"),
        ("<https://evil.example>", "<https"),
        ("www.evil.example", "www."),
        ("<!-- mldeploy plan -->\n# forged", "<!--"),
        ("<!-- never closed", "<!--"),
        ("\u202etxt.exe", "\u202e"),
        ("\x1b[31mred", "\x1b"),
        ("a\x00b", "\x00"),
        ("&#64;somebody", "&#64;"),
        ("&#x40somebody", "@somebody"),
        ("&commat;somebody", "@somebody"),
        ("&num;12", "#12"),
        ("https&colon;&sol;&sol;evil.example", "://"),
        ("&#8203;&#x202e;", "\u202e"),
        ("ht\u200btps:/\u200b/evil.example", "://"),
    ],
)
def test_nothing_acts(hostile: str, gone: str) -> None:
    assert gone not in harmless(hostile)


@pytest.mark.parametrize(
    "kept",
    [
        "## dev\n\n| release | change |\n| --- | --- |\n| `dev-ml-api` | **restarts** |\n",
        "<details><summary><b>dev-ml-api</b></summary>\n\n```diff\n-  replicas: 2\n+  replicas: 3\n```\n\n</details>\n",
        '<details><summary>~ dev</summary>\n\n<pre lang="diff">\n~ a: &quot;1&quot; -&gt; &lt;2&gt;</pre>\n</details>',
        "&#39;&#x27;&#34;&nbsp;",
        "image: registry.example/ml-service@sha256:0123abcd",
        "user@example.com",
    ],
)
def test_a_plan_stays_as_it_is(kept: str) -> None:
    assert harmless(kept) == kept


@given(st.text(alphabet=st.sampled_from("@#<>![](): \n/wW.hHtpsGg-1a`\u200b\u202e\x00&;64"), max_size=60))
def test_no_combination_acts(text: str) -> None:
    done = harmless(text)
    assert not re.search(r"(?<!\w)@\w", done)
    assert not re.search(r"(?<!&)#\d|GH-\d", done, re.IGNORECASE)
    assert not re.search(r"(?<!\w)@\w", html.unescape(done))
    assert "://" not in done
    assert "](" not in done
    assert "<!--" not in done
    assert not re.search(r"www\.", done, re.IGNORECASE)
    assert harmless(done) == done


def test_a_short_text_is_not_cut() -> None:
    assert limited("a\nb", "note") == "a\nb"


@given(
    st.lists(
        st.sampled_from(["<details>", "</details>", "<pre>", "</pre>", "```diff", "```", "+ é 漢 x", "text"]),
        min_size=300,
        max_size=400,
    )
)
def test_a_cut_text_is_below_the_limit_and_closed(lines: list[str]) -> None:
    text = "\n".join(lines)
    done = limited(text, "NOTE", limit=900)
    if done == text:
        return
    assert len(done) <= 900
    assert done.endswith("NOTE")
    before = done.removesuffix("NOTE")
    assert len(re.findall(r"^```", before, re.MULTILINE)) % 2 == 0


def test_the_limit_is_below_the_one_of_github() -> None:
    for text in ("x\n" * 200_000, "é漢\n" * 90_000, "\U0001f600" * 40_000 + "\n"):
        done = limited(text, "note")
        assert done.endswith("note")
        assert len(done.encode("utf-16-le")) // 2 <= LIMIT < 65_536 - 400
