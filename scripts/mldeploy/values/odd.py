"""Marks the scalars that a rule may have something to say about, once for each distinct text.

Rules look at these only, so a large file of ordinary values costs no more than reading it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mldeploy.values.scalars import Scalar

PRINTED_AS_FLOAT = 10**6  # Go prints a float64 with an exponent from here on
_LONGEST_KEY = 100
_SECRET_KEY = re.compile(
    r"(?i)(?:^|[._-])(?:pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?"
    r"|auth|client[_-]?secret|signing[_-]?key|encryption[_-]?key)$"
    r"|(?:Password|Passwd|Secret|Token|ApiKey|APIKey|AccessKey|PrivateKey|Credential|Credentials|SigningKey)$"
)
_TOKEN = re.compile(
    r"\b(?:A(?:KIA|SIA|IDA|ROA)[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{35}|gh[pousr]_[0-9A-Za-z]{36,}|github_pat_[0-9A-Za-z_]{50,}"
    r"|glpat-[0-9A-Za-z_-]{20,}|xox[abposr]-[0-9A-Za-z-]{10,}|sk_(?:live|test)_[0-9A-Za-z]{16,}|rk_live_[0-9A-Za-z]{16,}"
    r"|sk-(?:ant-|proj-)?[0-9A-Za-z_-]{32,}|hf_[0-9A-Za-z]{30,}|npm_[0-9A-Za-z]{36}|pypi-[0-9A-Za-z_-]{50,}"
    r"|dop_v1_[0-9a-f]{64}|SG\.[0-9A-Za-z_-]{16,64}\.[0-9A-Za-z_-]{16,64}|hvs\.[0-9A-Za-z_-]{24,}|dapi[0-9a-f]{32}"
    r"|eyJ[0-9A-Za-z_-]{10,2000}\.eyJ[0-9A-Za-z_-]{10,4000}\.[0-9A-Za-z_-]*)"
    r"|-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----"
    r"|hooks\.slack\.com/services/T[0-9A-Z]+/B[0-9A-Z]+/[0-9A-Za-z]+"
)
_URL = re.compile(r"[a-zA-Z0-9]://[^\s/:@]*:(?P<password>[^\s/@]+)@")
_PAIR = re.compile(r"(?i)\b(?:password|passwd|pwd|accountkey|sharedaccesskey)=(?P<password>[^;&\s]{4,})")
_DENSE = re.compile(r"[0-9A-Za-z+/_=-]{20,}")
_PLACEHOLDER = re.compile(
    r"(?i)^(?:\$\{.*\}|\$\(.*\)|<.*>|\{\{.*\}\}|x+|\*+|change-?me|example|redacted|none|null|todo)$"
)
_HEX = re.compile(r"[0-9a-fA-F]+")


def is_odd(text: str, value: Scalar, *, plain: bool) -> bool:
    """Tell whether any rule about single scalars may have something to say."""
    if isinstance(value, str):
        return secret_shape(text) != "" or is_secret_key(text)
    if not plain:
        return False
    if value is None:
        return text == ""
    if isinstance(value, bool):
        return text not in {"true", "false"}
    return text != str(value) or abs(value) >= PRINTED_AS_FLOAT


def is_secret_key(name: str) -> bool:
    """Tell whether a key's name says that its value is a secret."""
    return len(name) <= _LONGEST_KEY and _SECRET_KEY.search(name) is not None


def secret_shape(text: str) -> str:
    """Name the kind of secret that a text looks like; empty: it does not look like one."""
    if len(text) < 8:
        return ""
    if _TOKEN.search(text):
        return "a token or private key"
    for pattern, name in ((_URL, "a URL with a password"), (_PAIR, "a connection string with a password")):
        match = pattern.search(text)
        if match and not _PLACEHOLDER.match(match["password"]):
            return name
    if any(_is_dense(match[0], text[max(match.start() - 8, 0) : match.start()]) for match in _DENSE.finditer(text)):
        return "a random string, as keys and tokens are"
    return ""


def is_placeholder(text: str) -> bool:
    """Tell whether a text stands for a value that is put in elsewhere."""
    return _PLACEHOLDER.match(text) is not None


def _is_dense(word: str, before: str) -> bool:
    """Tell random characters from names, paths and digests by their entropy."""
    if before.endswith(("sha256:", "sha512:", "sha1:", "sha256-", "@")) or word.count("/") > 2:
        return False
    if _HEX.fullmatch(word):
        # 40 hexadecimal digits are a commit as often as a key; the key's name decides (plain-secret).
        return False
    digits = sum(character.isdigit() for character in word)
    upper = sum(character.isupper() for character in word)
    lower = sum(character.islower() for character in word)
    if not (digits >= 2 and upper >= 2 and lower >= 2):
        return False
    return entropy(word) >= (4.0 if len(word) >= 24 else 3.9)


def entropy(word: str) -> float:
    """Give Shannon's entropy of a word's characters, in bits for each."""
    total = len(word)
    return -sum(count / total * math.log2(count / total) for count in Counter(word).values())
