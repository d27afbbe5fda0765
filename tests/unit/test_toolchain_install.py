"""Installing, with real compilers on small modules of this test's own: only a missing Go is fetched, nothing else."""

from __future__ import annotations

import multiprocessing
import multiprocessing.process
import os
import re
import shutil
import signal
import time
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mldeploy import paths, process
from mldeploy.errors import MldeployError
from mldeploy.progress import Quiet, Step
from mldeploy.toolchain import caches, golang, group_folder, store, tool, tool_environment, tool_file
from mldeploy.toolchain.installation import install
from mldeploy.toolchain.inventory import inventory
from mldeploy.toolchain.pins import Pins, load

# Of the standard library only the runtime is needed, which compiles in seconds.
MAIN = """package main

var version = "unset"

func main() { println("{name}", version) }
"""
TOOLS = """
[alpha]
module = "alpha"
package = "."
group = "deploy"
stamp = ["main.version=1.2.3"]

[beta]
module = "beta"
package = "example.invalid/beta/cmd/beta"
group = "deploy"

[beta-plugin]
module = "beta"
package = "example.invalid/beta/cmd/beta-plugin/v3"
group = "deploy"
plugin = true
binary = "bin/run"
files = ["plugin.yaml", "manifests"]
"""


@dataclass
class Log:
    """A progress that keeps what it was told."""

    steps: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def step(self, title: str, *, key: str | None = None) -> AbstractContextManager[Step]:
        self.steps.append(title)
        return Quiet().step(title, key=key)

    def note(self, text: str) -> None:
        self.notes.append(text)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


@pytest.fixture(scope="session")
def compiler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[golang.Go]:
    """The machine's Go, or one that is fetched as `mldeploy tools install` does, and removed again."""
    cache = tmp_path_factory.mktemp("go")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        found = golang.provide(Quiet())
    yield found
    shutil.rmtree(cache)


@pytest.fixture
def pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiler: golang.Go) -> Pins:
    """Two modules, three programs, an empty cache, and a PATH with Go and nothing of the same names."""
    declared = tmp_path / "declared"
    write(declared / "tools.toml", TOOLS)
    for module in ("alpha", "beta"):
        write(declared / module / "go.mod", f"module example.invalid/{module}\n\ngo 1.26.0\n")
    write(declared / "alpha" / "main.go", MAIN.replace("{name}", "alpha"))
    write(declared / "beta" / "cmd" / "beta" / "main.go", MAIN.replace("{name}", "beta"))
    write(declared / "beta" / "cmd" / "beta-plugin" / "v3" / "main.go", MAIN.replace("{name}", "plugin"))
    write(declared / "beta" / "plugin.yaml", "name: beta\n")
    write(declared / "beta" / "manifests" / "base" / "rbac.yaml", "kind: Role\n")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{compiler.program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("GOPROXY", "off")
    return load(declared)


@pytest.fixture(scope="session")
def warm_cache(request: pytest.FixtureRequest) -> Path:
    """Go's runtime, compiled once and kept between runs: what is compiled is not what is tested here."""
    cache = request.config.cache
    assert cache is not None
    return cache.mkdir("go-build")


@pytest.fixture(autouse=True)
def _shared_go_cache(pins: Pins, warm_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = caches.environment

    def environment() -> dict[str, str]:
        return {**given(), "GOCACHE": str(warm_cache)}

    monkeypatch.setattr(caches, "environment", environment)


def entry(pins: Pins, name: str) -> store.Entry:
    found = store.find(name, pins.key(pins.pin(name)))
    assert found is not None
    return found


def output(program: Path) -> str:
    return process.run([program], timeout_s=30).stderr.strip()


def flip(path: Path, *, at: int = 1000) -> None:
    """Change one byte, and put size, modification time and mode back."""
    status = path.stat()
    path.chmod(0o755)
    with path.open("r+b") as file:
        file.seek(min(at, status.st_size - 1))
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    path.chmod(status.st_mode)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_builds_all_then_does_nothing(pins: Pins) -> None:
    log = Log()
    assert install([], log, pins=pins) == ["alpha", "beta", "beta-plugin"]
    assert output(tool("alpha", pins=pins)) == "alpha 1.2.3"
    assert output(tool("beta", pins=pins)) == "beta unset"
    assert tool_file("beta-plugin", "manifests/base", pins=pins).joinpath("rbac.yaml").read_text() == "kind: Role\n"
    assert sorted(log.steps) == [
        "Building alpha",
        "Building beta (and 1 more of its module)",
        "Removing what only building needed",
    ]
    assert not caches.folder().exists()

    again = Log()
    assert install([], again, pins=pins) == []
    assert (again.steps, again.notes) == ([], [])


def test_environment_and_folders_hold_every_tool(pins: Pins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install([], Quiet(), pins=pins)
    stale = paths.cache() / "sets" / "0123456789abcdef" / "bin"
    monkeypatch.setenv("PATH", f"{stale}:/usr/bin:/bin")
    variables = tool_environment(tmp_path, pins=pins)
    folder = group_folder("deploy", pins=pins)
    assert variables["PATH"] == f"{folder}:{tmp_path}/.venv/bin:/usr/bin:/bin"
    assert sorted(path.name for path in folder.iterdir()) == ["alpha", "beta"]
    plugin = Path(variables["HELM_PLUGINS"]) / "beta-plugin"
    assert (plugin / "plugin.yaml").read_text() == "name: beta\n"
    assert output(plugin / "bin" / "run") == "plugin unset"
    assert process.run(["beta"], timeout_s=30, env=variables).stderr == "beta unset\n"

    (folder / "beta").unlink()
    assert group_folder("deploy", pins=pins) == folder
    assert output(folder / "beta") == "beta unset"


def test_nothing_installed_names_the_remedy(pins: Pins, tmp_path: Path) -> None:
    with pytest.raises(MldeployError, match="alpha is not installed; run mldeploy tools install"):
        tool("alpha", pins=pins)
    with pytest.raises(MldeployError, match="is not installed"):
        tool_environment(tmp_path, pins=pins)
    assert {row.state for row in inventory(pins)} == {"not installed"}


def test_a_flipped_byte_is_noticed_at_use_and_repaired(pins: Pins, tmp_path: Path) -> None:
    install([], Quiet(), pins=pins)
    program = tool("alpha", pins=pins)
    good = store.sha256(program)
    flip(program)
    bad = store.sha256(program)
    assert good != bad
    for use in (lambda: tool("alpha", pins=pins), lambda: tool_environment(tmp_path, pins=pins)):
        with pytest.raises(store.DamagedError) as caught:
            use()
        assert good in caught.value.message
        assert bad in caught.value.message
        assert caught.value.remedy == "run mldeploy tools install"
    assert [row.name for row in inventory(pins) if row.state.startswith("damaged")] == ["alpha"]

    log = Log()
    assert install([], log, pins=pins) == ["alpha"]
    assert "is installed anew" in log.notes[0]
    assert output(tool("alpha", pins=pins)) == "alpha 1.2.3"


@pytest.mark.parametrize("name", ["bin/run", "plugin.yaml", "manifests/base/rbac.yaml"])
def test_every_copied_file_is_verified(pins: Pins, name: str) -> None:
    install(["beta-plugin"], Quiet(), pins=pins)
    path = entry(pins, "beta-plugin").folder / name
    flip(path)
    with pytest.raises(store.DamagedError, match=re.escape(str(path))):
        tool("beta-plugin", pins=pins)


@pytest.mark.parametrize("damage", ["missing", "added", "mode", "manifest", "foreign"])
def test_other_damage_is_noticed(pins: Pins, damage: str) -> None:
    install(["alpha", "beta"], Quiet(), pins=pins)
    found = entry(pins, "alpha")
    if damage == "missing":
        found.program.unlink()
    elif damage == "added":
        (found.folder / "bin" / "extra").write_text("#!/bin/sh\n")
    elif damage == "mode":
        found.program.chmod(0o444)
    elif damage == "manifest":
        (found.folder / "manifest.json").write_text("{")
    else:
        shutil.copy(entry(pins, "beta").folder / "manifest.json", found.folder / "manifest.json")
    with pytest.raises(store.DamagedError):
        tool("alpha", pins=pins)
    install([], Quiet(), pins=pins)
    assert output(tool("alpha", pins=pins)) == "alpha 1.2.3"


def test_a_hash_is_not_computed_again_while_nothing_changed(pins: Pins, monkeypatch: pytest.MonkeyPatch) -> None:
    install(["alpha"], Quiet(), pins=pins)
    tool("alpha", pins=pins)
    hashed: list[Path] = []
    real = store.sha256

    def counting(path: Path) -> str:
        hashed.append(path)
        return real(path)

    monkeypatch.setattr(store, "sha256", counting)
    program = tool("alpha", pins=pins)
    assert hashed == []
    program.touch()
    tool("alpha", pins=pins)
    assert hashed == [program]
    store.find("alpha", pins.key(pins.pin("alpha")), thorough=True)
    assert hashed == [program, program]


def with_version(pins: Pins, version: str) -> Pins:
    """Alpha as if it were published: its module folder has no such version, so that building it fails."""
    asking = f'version = "v{version}"\nask = ["version"]'
    write(pins.folder / "tools.toml", TOOLS.replace('stamp = ["main.version=1.2.3"]', asking))
    load.cache_clear()
    return load(pins.folder)


def test_a_program_on_path_of_exactly_the_version_is_used(pins: Pins, tmp_path: Path) -> None:
    install(["alpha"], Quiet(), pins=pins)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(tool("alpha", pins=pins), elsewhere / "alpha")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{elsewhere}:{os.environ['PATH']}")
        log = Log()
        exact = with_version(pins, "1.2.3")
        assert install(["alpha"], log, pins=exact) == ["alpha"]
        assert log.steps == []
        assert tool("alpha", pins=exact) == elsewhere / "alpha"
        assert inventory(exact)[0].source == str(elsewhere / "alpha")

        # Near is not enough: neither a longer number nor a shorter one.
        for version in ("1.2.30", "1.2", "11.2.3"):
            near = with_version(pins, version)
            with pytest.raises(MldeployError, match=r"go\.mod"):
                install(["alpha"], Quiet(), pins=near)
            assert store.find("alpha", near.key(near.pin("alpha"))) is None

        # The user replaces it: it is no longer what was accepted.
        exact = with_version(pins, "1.2.3")
        flip(elsewhere / "alpha")
        with pytest.raises(store.DamagedError, match=re.escape(str(elsewhere / "alpha"))):
            tool("alpha", pins=exact)


def test_scripts_shims_and_our_own_links_are_not_taken_from_path(pins: Pins, tmp_path: Path) -> None:
    install([], Quiet(), pins=pins)
    script = tmp_path / "script" / "alpha"
    write(script, "#!/bin/sh\necho 1.2.3\n")
    script.chmod(0o755)
    shim = tmp_path / "shim" / "alpha"
    shim.parent.mkdir()
    shutil.copy(tool("alpha", pins=pins), shim.with_name("mise"))
    shim.symlink_to(shim.with_name("mise"))
    ours = group_folder("deploy", pins=pins)
    asking = with_version(pins, "1.2.3")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{script.parent}:{shim.parent}:{ours}:{os.environ['PATH']}")
        with pytest.raises(MldeployError, match=r"go\.mod"):
            install(["alpha"], Quiet(), pins=asking)


@pytest.mark.parametrize("error", ["func broken( {", "var broken = undefined"])
def test_a_compile_error_is_shown_and_gone_on_from(pins: Pins, error: str) -> None:
    source = pins.folder / "beta" / "cmd" / "beta" / "main.go"
    good = source.read_text("utf-8")
    source.write_text(f"{good}\n{error}\n", "utf-8")
    with pytest.raises(MldeployError, match=r"beta: go build failed(.|\n)*main\.go:\d+:\d+: ") as caught:
        install(["beta", "beta-plugin"], Quiet(), pins=pins)
    assert "goes on from here" in caught.value.remedy
    assert caches.are_ours()

    source.write_text(good, "utf-8")
    install([], Quiet(), pins=pins)
    assert output(tool("beta", pins=pins)) == "beta unset"
    assert not caches.folder().exists()


def test_a_program_that_was_finished_before_the_error_is_kept(pins: Pins) -> None:
    source = pins.folder / "beta" / "cmd" / "beta" / "main.go"
    source.write_text(source.read_text("utf-8") + "\nvar broken = undefined\n", "utf-8")
    with pytest.raises(MldeployError, match="undefined: undefined"):
        install(["beta", "beta-plugin"], Quiet(), pins=pins)
    assert {row.name: row.state for row in inventory(pins)} == {
        "alpha": "not installed",
        "beta": "not installed",
        "beta-plugin": "good",
    }


def test_an_interrupted_removal_is_finished(pins: Pins) -> None:
    install([], Quiet(), pins=pins)
    assert caches.claim()
    (caches.folder() / "mod").mkdir()
    # Somebody asks for one tool, which says nothing about the others: they may still need the caches.
    install(["alpha"], Quiet(), pins=pins)
    assert caches.are_ours()
    log = Log()
    assert install([], log, pins=pins) == []
    assert log.steps == ["Removing what only building needed"]
    assert not caches.folder().exists()


def test_a_module_that_cannot_be_fetched_names_the_network(pins: Pins, monkeypatch: pytest.MonkeyPatch) -> None:
    need(pins, "example.invalid/other", "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
    # A port of this machine that nobody listens on.
    monkeypatch.setenv("GOPROXY", "http://127.0.0.1:9")
    with pytest.raises(MldeployError, match=r"alpha: a module could not be fetched: .*127\.0\.0\.1:9") as caught:
        install(["alpha"], Quiet(), pins=pins)
    assert "GOPROXY" in caught.value.remedy


def test_a_module_with_another_hash_is_refused_naming_both(
    pins: Pins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    need(pins, "example.invalid/other", expected)
    proxy = tmp_path / "proxy" / "example.invalid" / "other" / "@v"
    content = {"go.mod": "module example.invalid/other\n", "other.go": "package other\n\nconst Name = 1\n"}
    write(proxy / "v1.0.0.mod", content["go.mod"])
    write(proxy / "v1.0.0.info", '{"Version": "v1.0.0"}')
    with zipfile.ZipFile(proxy / "v1.0.0.zip", "w") as archive:
        for name, text in content.items():
            archive.writestr(f"example.invalid/other@v1.0.0/{name}", text)
    monkeypatch.setenv("GOPROXY", f"file://{tmp_path / 'proxy'}")
    monkeypatch.setenv("GOSUMDB", "off")
    with pytest.raises(MldeployError, match=r"is not what go.sum says it is") as caught:
        install(["alpha"], Quiet(), pins=pins)
    assert len(set(re.findall(r"h1:\S+", caught.value.message))) == 2
    assert expected in caught.value.message


def need(pins: Pins, module: str, digest: str) -> None:
    """Let alpha import a module that nobody has."""
    folder = pins.folder / "alpha"
    with (folder / "go.mod").open("a", encoding="utf-8") as file:
        file.write(f"\nrequire {module} v1.0.0\n")
    lines = [f"{module} v1.0.0 {digest}", f"{module} v1.0.0/go.mod h1:6PRgIyWoFh1ZPCL2HgRqzTXs7vDAZhRI1nHGPJ4vjhM="]
    (folder / "go.sum").write_text("\n".join(lines) + "\n", "utf-8")
    write(folder / "main.go", f'package main\n\nimport "{module}"\n\nfunc main() {{ println(other.Name) }}\n')


def test_a_version_that_go_mod_does_not_have_is_refused(pins: Pins) -> None:
    write(pins.folder / "tools.toml", TOOLS.replace("[beta]\n", '[beta]\nversion = "v9.9.9"\n'))
    load.cache_clear()
    with pytest.raises(MldeployError, match=r"go\.mod: has .*, tools.toml says v9.9.9"):
        install(["beta"], Quiet(), pins=load(pins.folder))


def test_no_space_is_said_before_anything_is_built(pins: Pins) -> None:
    write(pins.folder / "tools.toml", TOOLS.replace("[beta]\n", "[beta]\nbuild_mb = 2000000000\n"))
    load.cache_clear()
    with pytest.raises(MldeployError, match=r"building needs 2000000000 MB more, \d+ MB are free"):
        install(["beta"], Quiet(), pins=load(pins.folder))
    assert not caches.folder().exists()


def test_caches_of_somebody_else_stay(pins: Pins) -> None:
    caches.folder().mkdir(parents=True)
    install([], Quiet(), pins=pins)
    assert caches.folder().is_dir()


def _install_in_a_process(declared: Path) -> None:
    os.setsid()
    load.cache_clear()
    install([], Quiet(), pins=load(declared))


@contextmanager
def _installing(declared: Path) -> Iterator[multiprocessing.process.BaseProcess]:
    child = multiprocessing.get_context("fork").Process(target=_install_in_a_process, args=(declared,))
    child.start()
    try:
        yield child
    finally:
        child.join(120)
        assert child.exitcode is not None


def _wait_for(what: str, condition: object) -> None:
    assert callable(condition)
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.002)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("moment", ["claimed", "staged", "first installed"])
def test_an_interrupted_installation_is_gone_on_with(pins: Pins, number: signal.Signals, moment: str) -> None:
    conditions = {
        "claimed": caches.are_ours,
        "staged": lambda: any(caches.folder().glob("out/*")),
        "first installed": lambda: any((paths.cache() / "tools").glob("[ab]*/*/manifest.json")),
    }
    with _installing(pins.folder) as child:
        _wait_for(moment, conditions[moment])
        assert child.pid is not None
        os.kill(child.pid, number)
    load.cache_clear()
    install([], Quiet(), pins=pins)
    assert {row.state for row in inventory(pins, thorough=True)} == {"good"}
    _wait_for("caches are removed", lambda: not caches.folder().exists())


def test_two_at_once_take_turns(pins: Pins, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = paths.cache() / "tools" / ".lock"
    with _installing(pins.folder) as child:
        _wait_for("the first has the lock", lambda: lock.is_file() and "installs tools" in lock.read_text("utf-8"))
        log = Log()
        install([], log, pins=pins)
    assert child.exitcode == 0
    assert len(log.steps) == 1
    assert log.steps[0].startswith(f"Waiting: process {child.pid} installs tools")
    assert {row.state for row in inventory(pins, thorough=True)} == {"good"}
