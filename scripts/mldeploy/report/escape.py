"""Makes text from files harmless where it is shown: terminals, workflow commands, Markdown."""

from __future__ import annotations

import re

# Control characters, line and paragraph separators, and the marks that turn the direction of text around.
_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|~$])")
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def visible(text: str) -> str:
    r"""Write every control and direction character as `\n`, `\x1b` or `\u202e`, so that a line stays one line."""
    return _INVISIBLE.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def workflow_data(text: str) -> str:
    """Escape the message of a GitHub workflow command (`::error …::message`)."""
    return visible_lines(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def workflow_property(text: str) -> str:
    """Escape a property of a GitHub workflow command, such as `file=`."""
    return workflow_data(visible(text)).replace(":", "%3A").replace(",", "%2C")


def visible_lines(text: str) -> str:
    """As `visible`, but line feeds stay."""
    return "\n".join(visible(line) for line in text.split("\n"))


def markdown(text: str) -> str:
    """Write text so that GitHub's Markdown shows it as it is: no markup, HTML, mention or link."""
    escaped = "".join(_HTML.get(character, character) for character in visible(text))
    escaped = _MARKDOWN.sub(r"\\\1", escaped)
    # A zero-width space keeps "@name", "#12" and addresses from becoming mentions and links.
    return escaped.replace("@", "@\u200b").replace("://", ":\u200b//").replace("www.", "www\u200b.")
