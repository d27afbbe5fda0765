"""Programs that build and push: which one is chosen, what it is given, and what is said when it fails."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import stat
import sys
import time
from pathlib import Path

import pytest

from mldeploy import process
from mldeploy.errors import MldeployError
from mldeploy.image import builder, push, wheels
from mldeploy.image.base import make
from mldeploy.image.follow import follow
from mldeploy.image.oci import write_one_layer
from mldeploy.image.push import Destination
from mldeploy.image.recipes import RECIPES
from mldeploy.image.scratch import scratch_folder
from mldeploy.progress import Quiet

# Stands for Docker, which cannot run where these tests do: it notes its arguments and saves the archive it was given.
RECORDER = """#!{python}
import json, os, shutil, sys
with open(os.environ["RECORD"], "a") as record:
    record.write(json.dumps(sys.argv[1:]) + "\\n")
words = sys.argv[1:]
if words[0] == "save":
    shutil.copyfile(os.environ["SAVED"], words[words.index("--output") + 1])
if "push" in words:
    print("latest: digest: sha256:" + "a" * 64 + " size: 1")
"""


def program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(text, "utf-8")
    path.chmod(0o755)


@pytest.fixture
def only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as the whole PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def test_without_any_builder_the_remedy_is_named(only: Path, tmp_path: Path) -> None:
    with pytest.raises(MldeployError, match=r"neither a running Docker nor buildah was found; apt-get install buildah"):
        builder.find(tmp_path)


def test_a_docker_that_does_not_run_is_not_used(only: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(only, "docker", f"#!{sys.executable}\nraise SystemExit(1)\n")
    program(only, "buildah", "")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert isinstance(builder.find(tmp_path), builder.Buildah)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(MldeployError, match="needs root; run the same command with sudo"):
        builder.find(tmp_path)


def test_docker_is_used_where_it_runs(only: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(only, "docker", RECORDER.format(python=sys.executable))
    monkeypatch.setenv("RECORD", str(tmp_path / "record"))
    monkeypatch.setenv("SAVED", str(tmp_path / "saved"))
    write_one_layer(tmp_path / "saved", b"layer")
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Dockerfile").write_text("FROM x\n", "utf-8")
    (tmp_path / "auth.json").write_text('{"auths": {"h": {"auth": "canary"}}}', "utf-8")
    found = builder.find(tmp_path)
    base = found.base(RECIPES["redis"].base, Quiet())
    with Quiet().step("") as step:
        digest = found.build(tmp_path / "context", base, "localhost/x:1", tmp_path / "image.tar", step)
    assert digest.startswith("sha256:")
    pushed = found.push(tmp_path / "image.tar", "localhost/x:1", "h/p/x:1", tmp_path / "auth.json", plain_http=False)
    assert pushed == "sha256:" + "a" * 64
    calls = [json.loads(line) for line in (tmp_path / "record").read_text("utf-8").splitlines()]
    assert [next(w for w in call if not w.startswith("-") and "/" not in w) for call in calls] == [
        "info", "build", "save", "load", "tag", "push",
    ]  # fmt: skip
    assert "BASE=redis:7.0-bookworm" in calls[1]
    assert calls[1][calls[1].index("--network") + 1] == "none"
    assert "canary" not in str(calls)


def test_missing_tools_for_the_base_are_named(only: Path) -> None:
    with pytest.raises(MldeployError, match="mmdebstrap was not found; apt-get install mmdebstrap"):
        make(RECIPES["redis"].base, Quiet())


def test_debian_that_cannot_be_reached_is_one_message(only: Path) -> None:
    program(only, "mmdebstrap", f"#!{sys.executable}\nprint('E: apt-get update failed')\nraise SystemExit(1)\n")
    with pytest.raises(
        MldeployError, match=r"could not be fetched\n  E: apt-get update failed; check the network"
    ) as e:
        make(RECIPES["redis"].base, Quiet())
    assert "Traceback" not in str(e.value)
    left = sorted(path.name for path in Path(os.environ["XDG_CACHE_HOME"]).rglob("*") if path.is_file())
    assert left == []


def test_a_wheel_that_is_not_what_the_lock_says_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip itself, on an index in a folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    (tmp_path / "thing-1.0-py3-none-any.whl").write_bytes(b"not what was locked")
    lock = tmp_path / "requirements.txt"
    lock.write_text(f"thing==1.0 \\\n    --hash=sha256:{'0' * 64}\n", "utf-8")
    with pytest.raises(MldeployError, match="could not be fetched") as wrong:
        wheels.fetch([lock], Quiet())
    assert "Expected sha256 " + "0" * 64 in str(wrong.value)
    assert "do not use what was served" in wrong.value.remedy
    lock.write_text(f"missing==1.0 \\\n    --hash=sha256:{'0' * 64}\n", "utf-8")
    with pytest.raises(MldeployError, match=r"missing==1\.0") as absent:
        wheels.fetch([lock], Quiet())
    assert "check the network" in absent.value.remedy
    assert not [
        path
        for path in (tmp_path / "cache").rglob("*")
        if path.is_dir() and path.suffix == "" and any(path.glob("*.whl"))
    ]


def test_lines_come_as_they_are_written(tmp_path: Path) -> None:
    seen: list[str] = []
    script = "import sys; print('one', flush=True); print('two', file=sys.stderr, flush=True)"
    assert follow([sys.executable, "-c", script], seen.append, timeout_s=30) == "one\ntwo\n"
    assert seen == ["one", "two"]


def test_a_program_that_fails_or_takes_too_long_is_an_error_with_its_output() -> None:
    with pytest.raises(process.ProcessError) as failed:
        follow([sys.executable, "-c", "print('reason'); raise SystemExit(3)"], lambda _: None, timeout_s=30)
    assert (failed.value.returncode, failed.value.stdout) == (3, "reason\n")
    began = time.monotonic()
    with pytest.raises(process.ProcessError, match=r"did not end within 0\.5 s"):
        follow([sys.executable, "-c", "import time; time.sleep(60)"], lambda _: None, timeout_s=0.5)
    assert time.monotonic() - began < 30


def test_scratch_folders_of_killed_runs_go_and_those_in_use_stay(tmp_path: Path) -> None:
    killed = tmp_path / "work-killed"
    killed.mkdir()
    (killed / "owned").touch()
    in_use = tmp_path / "work-in-use"
    in_use.mkdir()
    (tmp_path / "images.json").touch()
    with (in_use / "owned").open("w") as owned:
        fcntl.flock(owned, fcntl.LOCK_EX)
        with scratch_folder(tmp_path) as mine:
            assert mine.is_dir()
            assert stat.S_IMODE(mine.stat().st_mode) == 0o700
            assert {path.name for path in tmp_path.iterdir()} == {"work-in-use", mine.name, "images.json"}
    assert {path.name for path in tmp_path.iterdir()} == {"work-in-use", "images.json"}


@pytest.mark.parametrize(
    ("registry", "project", "name", "said"),
    [
        ("", "p", "n", "set REGISTRY"),
        ("https://host", "p", "n", "set REGISTRY"),
        ("host", "", "n", "set PROJECT"),
        ("host", "/p", "n", "set PROJECT"),
        ("host", "p", "Name", "set NAME"),
        ("host", "p", "n:tag", "set NAME"),
    ],
)
def test_a_place_that_is_none_is_refused(registry: str, project: str, name: str, said: str) -> None:
    with pytest.raises(MldeployError, match=said):
        Destination(registry, project, name)


def test_only_this_machine_is_spoken_to_without_tls() -> None:
    loopback = {"localhost:5000": True, "127.0.0.1:5000": True, "[::1]:5000": True, "127.0.0.1": True}
    elsewhere = {"registry.example.com": False, "localhost.example.com:5000": False, "10.0.0.1:5000": False}
    for registry, expected in (loopback | elsewhere).items():
        assert Destination(registry, "p", "n").is_loopback is expected


def test_credentials_come_from_the_environment_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Destination("host:5000", "p/q", "n")
    monkeypatch.delenv("REGISTRY_USERNAME", raising=False)
    monkeypatch.delenv("REGISTRY_PASSWORD", raising=False)
    assert json.loads(push.credentials(place, None)) == {"auths": {}}
    monkeypatch.setenv("REGISTRY_USERNAME", "ci")
    with pytest.raises(MldeployError, match="only one of"):
        push.credentials(place, None)
    monkeypatch.setenv("REGISTRY_PASSWORD", "pass:word")
    auths = json.loads(push.credentials(place, None))["auths"]
    assert base64.b64decode(auths["host:5000"]["auth"]) == b"ci:pass:word"
    (tmp_path / "auth.json").write_text("{}", "utf-8")
    assert push.credentials(place, tmp_path / "auth.json") == "{}"
    with pytest.raises(MldeployError, match=r"none\.json: No such file"):
        push.credentials(place, tmp_path / "none.json")
