"""Takes secrets out of text: values of the cluster's Secrets, and what looks like one."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass

from mldeploy.smoke.kube import ApiClient, ApiError, core, explained

_MASK = "***"
_SHORTEST = 4  # shorter values are found in ordinary text by chance
_LOOKS_SECRET = re.compile(
    r"""(?ix)
    (?P<before>
        \b [\w-]* (?: password | passwd | secret | token | api[_-]?key | credential ) [\w-]* ["']? \s* [:=] \s* ["']?
        | \b authorization ["']? \s* [:=] \s* ["']? (?: \w+ \s+ )?
        | \b bearer \s+
        | \w+ :// [^\s:/@]* : (?= [^\s/@]* @ )
    )
    (?P<value> [^\s"',;&@]+ )
    """
)


@dataclass(frozen=True)
class Redactor:
    """Replaces known secret values, their base64 form, and what stands where a secret stands ("password=...")."""

    values: tuple[str, ...] = ()

    @classmethod
    def of(cls, values: Iterable[str]) -> Redactor:
        """Make one of secret values; lines of a longer one count as values of their own."""
        forms = set()
        for value in values:
            for text in (value, *value.splitlines()):
                stripped = text.strip()
                if len(stripped) >= _SHORTEST:
                    forms |= {stripped, b64encode(stripped.encode()).decode()}
        return cls(tuple(sorted(forms, key=len, reverse=True)))

    def __call__(self, text: str) -> str:
        """Give the text without secrets."""
        for value in self.values:
            text = text.replace(value, _MASK)
        return _LOOKS_SECRET.sub(lambda match: f"{match['before']}{_MASK}", text)


def namespace_redactor(api: ApiClient, namespace: str) -> Redactor:
    """Make a redactor of all Secrets of a namespace; where they may not be read, of none."""
    try:
        with explained(f"list Secrets in namespace {namespace}"):
            secrets = core(api).list_namespaced_secret(namespace).items
    except ApiError:
        return Redactor()
    encoded = [
        value for secret in secrets if secret.type != "helm.sh/release.v1" for value in (secret.data or {}).values()
    ]
    return Redactor.of(b64decode(value).decode("utf-8", "replace") for value in encoded)
