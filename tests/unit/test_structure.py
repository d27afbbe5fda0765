"""Dependencies point one way: the table of design, kept for every import in the package."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "scripts" / "mldeploy"

# capability -> siblings that it may import; docs/decisions/0001-layout.md says why each arrow is there.
MAY_IMPORT: dict[str, set[str]] = {
    "toolchain": set(),
    "cluster": {"toolchain"},
    "image": {"toolchain"},
    "up": {"toolchain", "cluster", "gitops", "published", "secrets", "smoke", "values", "vault"},
    "values": set(),
    "render": {"toolchain", "values"},
    "check": {"toolchain", "render", "values", "plan", "report"},
    "plan": {"toolchain", "render", "values", "report"},
    "overlay": {"toolchain", "render", "values", "plan"},
    "rollout": {"toolchain", "render", "cluster"},
    "smoke": {"values"},
    "promote": {"values", "plan"},
    "report": set(),
    "github": set(),
    "publish": {"toolchain"},
    "secrets": {"values", "smoke", "vault"},
    "vault": {"cluster", "published", "smoke"},
    "published": {"toolchain", "cluster"},
    "parity": {"render", "plan", "overlay", "gitops"},
    "gitops": {"toolchain", "cluster", "image", "smoke", "values", "render", "plan", "check", "published"},
}
EVERYONE = {"atomic", "errors", "forked", "interruption", "lock", "paths", "process", "progress"}


def imports(module: Path) -> Iterator[tuple[int, str, list[str]]]:
    """Yield (line, dotted module, names) for each import of the package itself, late ones included."""
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "mldeploy":
            if node.module == "mldeploy":
                yield from ((node.lineno, f"mldeploy.{alias.name}", []) for alias in node.names)
            else:
                yield node.lineno, node.module, [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, a.name, []) for a in node.names if a.name.startswith("mldeploy."))


def modules() -> list[Path]:
    found = sorted(PACKAGE.rglob("*.py"))
    assert found, f"no modules under {PACKAGE}"
    return found


@pytest.mark.parametrize("module", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_follow_the_table(module: Path) -> None:
    place = module.relative_to(PACKAGE).parts
    home = place[0].removesuffix(".py")
    wrong = []
    for line, name, names in imports(module):
        target = name.split(".")[1]
        allowed = home in ("cli", target) or target in EVERYONE or target in MAY_IMPORT.get(home, set())
        private = target != home and any(part.startswith("_") for part in [*name.split(".")[2:], *names])
        if not allowed or private:
            wrong.append(f"{module.name}:{line}: {home} imports {name} {names}")
    assert not wrong, "\n".join(wrong)


def test_every_folder_is_in_the_table() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders - {"cli"} <= set(MAY_IMPORT)


@pytest.mark.parametrize("module", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_process_starts_processes(module: Path) -> None:
    if module.name == "process.py":
        return
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            assert "subprocess" not in {alias.name for alias in node.names}, f"{module}:{node.lineno}"
        elif isinstance(node, ast.ImportFrom):
            assert node.module != "subprocess", f"{module}:{node.lineno}: subprocess belongs to process.py"
