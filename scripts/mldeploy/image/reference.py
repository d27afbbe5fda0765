"""An image's tag is the hash of what goes into it: known without a build, changed by nothing else."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from mldeploy.image.recipes import FORMAT, SUITE, Recipe, input_files, recipe

_TAG_LENGTH = 12


def content_hash(root: Path, of: Recipe) -> str:
    """Hash an image's inputs: the recipe and each file's path, content and nothing else (no times, no modes)."""
    digest = hashlib.sha256()
    about = {"format": FORMAT, "suite": SUITE, "recipe": asdict(of)}
    digest.update(json.dumps(about, sort_keys=True).encode())
    for path in input_files(root, of):
        content = hashlib.sha256((root / of.folder / path).read_bytes()).hexdigest()
        digest.update(f"\n{path.as_posix()}\0{content}".encode())
    return digest.hexdigest()[:_TAG_LENGTH]


def reference(root: Path, name: str) -> str:
    """Give the reference that an image has, built or not: `localhost/mldeploy/<name>:<hash>`.

    Args:
        root: the checkout.
        name: the image, such as `ml-service`.

    Raises:
        MldeployError: there is no such image, or one of its inputs is missing.
    """
    found = recipe(name)
    return f"{found.repository}:{content_hash(root, found)}"
