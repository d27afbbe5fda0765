"""A secret in plain text.

Values files are read by everyone who may read the repository, for ever. Known shapes of tokens and private keys,
connection strings and URLs with a password, random strings, and literal values under keys such as `password` are
reported; names of Secrets and paths in a store (`externalSecret`, `secretKeyRef`, `existingSecret`, …) are not.
Put the value into the secret store, refer to it under `externalSecret.data`, and replace it where it was used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldeploy.values.nodes import ScalarNode
from mldeploy.values.odd import entropy, is_placeholder, is_secret_key, secret_shape
from mldeploy.values.problem import Problem, at_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mldeploy.values.document import Document, Keys

ID = "plain-secret"

_REFERENCES = frozenset(
    {
        "externalsecret", "externalsecrets", "remoteref", "secretkeyref", "secretref", "existingsecret", "secretname",
        "storeref", "secretstoreref", "imagepullsecrets", "pullsecrets",
    }
)  # fmt: skip


def check(document: Document) -> Iterator[Problem]:
    """Find strings that look like secrets, or stand under a key that says so."""
    for entry in document.odd:
        node = entry.node
        if not isinstance(node, ScalarNode) or not isinstance(node.tag.value, str) or _is_reference(entry.keys):
            continue
        shape = secret_shape(node.tag.value) or _under_secret_key(entry.keys, node.tag.value)
        if shape:
            yield at_value(
                entry,
                f"this looks like {shape}, in plain text",
                "keep it in the secret store, refer to it under externalSecret.data, and replace the exposed one",
            )


def _is_reference(keys: Keys) -> bool:
    return any(isinstance(key, str) and key.lower().replace("_", "").replace("-", "") in _REFERENCES for key in keys)


def _under_secret_key(keys: Keys, text: str) -> str:
    name = keys[-1] if keys else ""
    if not isinstance(name, str) or not is_secret_key(name) or is_placeholder(text) or len(text) < 4:
        return ""
    # A path or a name with few different characters is a reference more often than a secret.
    if text.startswith(("/", "./", "http://", "https://")) or entropy(text) < 1.5:
        return ""
    return f"the value of '{name}'"
