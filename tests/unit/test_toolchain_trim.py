"""Trimming takes what no remaining module requires, and nothing else."""

from __future__ import annotations

from pathlib import Path

from mldeploy.toolchain.trim import required, trim

GO_MOD = """module example.invalid/tool

go 1.26.0

require example.invalid/one v1.0.0

require (
\texample.invalid/Two/v2 v2.1.0 // indirect
\texample.invalid/old v3.0.0+incompatible
)

replace example.invalid/one => example.invalid/fork v1.5.0
"""


def test_reads_every_form_that_a_go_mod_has(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text(GO_MOD, "utf-8")
    assert required([tmp_path / "go.mod"]) == {
        "example.invalid/one@v1.0.0",
        "example.invalid/!two/v2@v2.1.0",
        "example.invalid/old@v3.0.0+incompatible",
        "example.invalid/fork@v1.5.0",
    }
    assert required([]) == set()


def test_removes_sources_archives_and_compiled_files_of_the_finished(tmp_path: Path) -> None:
    sources = tmp_path / "mod"
    standard = tmp_path / "go" / "src" / "fmt"
    folders = {
        "kept": sources / "example.invalid" / "kept@v1.0.0",
        "gone": sources / "example.invalid" / "gone@v1.0.0",
        "std": standard,
    }
    compiled = {}
    for name, folder in folders.items():
        (folder / "sub").mkdir(parents=True)
        (folder / "sub" / "a.go").touch()
        for part in ("a", "b"):
            (tmp_path / f"{name}-{part}").touch()
            compiled[tmp_path / f"{name}-{part}"] = folder
    downloads = sources / "cache" / "download" / "example.invalid"
    for name in ("kept", "gone"):
        (downloads / name / "@v").mkdir(parents=True)
        for ending in ("zip", "mod"):
            (downloads / name / "@v" / f"v1.0.0.{ending}").touch()

    for _ in range(2):
        trim(compiled, {"example.invalid/kept@v1.0.0"}, sources)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {
        "kept-a",
        "kept-b",
        "std-a",
        "std-b",
        "go/src/fmt/sub/a.go",
        "mod/example.invalid/kept@v1.0.0/sub/a.go",
        "mod/cache/download/example.invalid/kept/@v/v1.0.0.zip",
        "mod/cache/download/example.invalid/kept/@v/v1.0.0.mod",
        "mod/cache/download/example.invalid/gone/@v/v1.0.0.mod",
    }
