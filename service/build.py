"""The steps of the Dockerfile: they need Python alone, since the base image has no shell.

usage: build.py install REQUIREMENTS FOLDER | run LIBRARIES SCRIPT ARGUMENT... | slim FOLDER | compile FOLDER
"""

from __future__ import annotations

import compileall
import os
import runpy
import shutil
import sys
from pathlib import Path
from py_compile import PycInvalidationMode

WHEELS = Path(__file__).parent / "wheels"

# What the service never opens: other languages' headers, test suites, tools for making models, type stubs.
NEVER_OPENED = (
    "bin",
    "google/protobuf/compiler",
    "numpy/_core/include",
    "numpy/_pyinstaller",
    "numpy/distutils",
    "numpy/f2py",
    "numpy/random/lib",
    "onnxruntime/backend",
    # The C library: Python's module has its own copy of all that is in it.
    "onnxruntime/capi/libonnxruntime.so.*",
    "onnxruntime/datasets",
    "onnxruntime/quantization",
    "onnxruntime/tools",
    "onnxruntime/transformers",
    # Traces have no need of it, and redis-py reads it at each start where it is there.
    "opentelemetry/sdk/metrics",
    "**/tests",
    "**/*.pyi",
    "**/*.pxd",
    "**/*.a",
    "**/__pycache__",
    "*.dist-info/RECORD",
    "*.dist-info/sboms",
)


def install(requirements: Path, folder: Path) -> None:
    """Install locked requirements from the wheels beside this script, checking each one's hash."""
    pip = next(WHEELS.glob("pip-*.whl"))
    sys.path.insert(0, str(pip))
    options = ["--no-index", f"--find-links={WHEELS}", "--require-hashes", "--only-binary=:all:", "--no-deps"]
    quiet = ["--no-compile", "--no-cache-dir", "--disable-pip-version-check", "--root-user-action=ignore", "-q"]
    sys.argv = ["pip", "install", *options, *quiet, f"--target={folder}", "-r", str(requirements)]
    runpy.run_module("pip", run_name="__main__", alter_sys=True)


def run(libraries: Path, script: Path, arguments: list[str]) -> None:
    """Run a script on libraries that `install` put into a folder of their own."""
    # Floating-point sums depend on how many threads share them; the model must not.
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    sys.path.insert(0, str(libraries))
    sys.argv = [str(script), *arguments]
    runpy.run_path(str(script), run_name="__main__")


def slim(folder: Path) -> None:
    """Remove what is never opened."""
    for pattern in NEVER_OPENED:
        for path in sorted(folder.glob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def compile_all(folder: Path) -> None:
    """Compile to bytecode that is the same whenever it is made, and is trusted without a look at the source."""
    mode = PycInvalidationMode.UNCHECKED_HASH
    if not compileall.compile_dir(folder, quiet=1, invalidation_mode=mode):
        raise SystemExit(f"build.py: {folder}: not everything could be compiled")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["install", lock, target]:
            install(Path(lock), Path(target))
        case ["run", libraries, script, *words]:
            run(Path(libraries), Path(script), words)
        case ["slim", target]:
            slim(Path(target))
        case ["compile", target]:
            compile_all(Path(target))
        case _:
            raise SystemExit(__doc__)
