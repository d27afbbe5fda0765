"""Makes a stranger's Markdown harmless in a comment that we sign: nobody is notified, nothing is loaded or linked."""

from __future__ import annotations

import html
import re

LIMIT = 65_000
"""Characters of a text, as UTF-16 counts them; GitHub's limit of a comment is 65,536."""

_GAP = "\u200b"  # zero width: what it parts looks the same, and means nothing any more, in code as in text
_TAGS = "details|summary|b|br|code|pre|sub|sup|table|thead|tbody|tr|th|td"
_ALLOWED_TAG = re.compile(rf"<(?:/?(?:{_TAGS})|details open|pre lang=\"diff\"|br/)>")
# Control characters other than tab and newline, bidirectional overrides, and the gap itself.
_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});?")
_STRUCTURE = set("<>&\"'\u00a0")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_MENTION = re.compile(r"(?<![\w])@(?=\w)")
_REFERENCE = re.compile(r"((?<!&)#|\bGH-)(?=\d)", re.IGNORECASE)
_SCHEME = re.compile(r"(?<=:)(?=//)")
_WWW = re.compile(r"\bwww\.", re.IGNORECASE)
_LINK = re.compile(r"\](?=[(\[:])")
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})", re.MULTILINE)


def harmless(markdown: str) -> str:
    """Take out of a Markdown text everything that acts: HTML, mentions, references, links, images.

    Formatting (headings, tables, folds, code) stays as it is.
    """
    # GitHub looks for mentions in what it has rendered: an entity is what it stands for.
    text = _ENTITY.sub(_decoded, markdown.replace("\r\n", "\n"))
    text = _COMMENT.sub("", _INVISIBLE.sub("", text))
    text = "".join(_parts(text))
    text = _MENTION.sub(f"@{_GAP}", text)
    text = _REFERENCE.sub(rf"\1{_GAP}", text)
    text = _SCHEME.sub(_GAP, text)
    text = _WWW.sub(lambda match: f"{match.group()[:3]}{_GAP}.", text)
    return _LINK.sub(f"]{_GAP}", text)


def _decoded(entity: re.Match[str]) -> str:
    character = html.unescape(entity.group())
    return entity.group() if set(character) & _STRUCTURE else character


def _parts(text: str) -> list[str]:
    """Part every `<` from what follows it, unless it opens or closes a tag that only formats."""
    parts, place = [], 0
    for match in re.finditer("<", text):
        parts.append(text[place : match.start()])
        parts.append("<" if _ALLOWED_TAG.match(text, match.start()) else f"<{_GAP}")
        place = match.end()
    return [*parts, text[place:]]


def limited(text: str, note: str, limit: int = LIMIT) -> str:
    """Cut a text at a line so that it has at most `limit` characters together with the note that says so.

    A code fence, preformatted text and folds that the cut leaves open are closed.
    """
    if _length(text) <= limit:
        return text
    room = limit - _length(note) - 200
    kept = text.encode("utf-16-le")[: 2 * room].decode("utf-16-le", "ignore").rpartition("\n")[0]
    closing = ""
    fences = _FENCE.findall(kept)
    if len(fences) % 2:
        closing += f"\n{fences[-1]}"
    if kept.count("<pre") > kept.count("</pre>"):
        closing += "\n</pre>"
    open_folds = min(max(0, kept.count("<details") - kept.count("</details>")), 10)
    return f"{kept}{closing}\n{'</details>' * open_folds}\n\n{note}"


def _length(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
