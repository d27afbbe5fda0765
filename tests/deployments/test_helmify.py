"""The charts that carry what kustomize built, under helmfile's own commands, and under everything that goes wrong."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mldeploy import process
from mldeploy.overlay import chart
from mldeploy.overlay.same import unequal
from mldeploy.overlay.source import sources
from mldeploy.plan.objects import manifested
from mldeploy.render import parse
from mldeploy.toolchain import tool, tool_environment

if TYPE_CHECKING:
    from tests.deployments.scratch import Scratch

ROOT = Path(__file__).parents[2]
SERVICES = ("ml-api", "ml-batch")
HELMFILE = "deployments/kustomize/helmfile.yaml"
MANIFEST = "deployments/kustomize/ml-api/templates/all.yaml"
Run = Callable[..., process.Completed]


@pytest.fixture
def there(scratch: Scratch) -> Scratch:
    """A checkout whose hooks find the tooling."""
    (scratch.root / ".venv").symlink_to(ROOT / ".venv")
    return scratch


@pytest.fixture
def run(there: Scratch, tmp_path: Path) -> Run:
    """Run helmfile on the kustomize way of the scratch checkout, with a kubeconfig that leads nowhere."""
    environment = {**tool_environment(ROOT), "KUBECONFIG": str(tmp_path / "kubeconfig")}

    def helmfile(*arguments: str, ok: tuple[int, ...] = (0,)) -> process.Completed:
        words: list[str | Path] = [tool("helmfile"), "--quiet", "--no-color", "--file", HELMFILE, *arguments]
        return process.run(words, timeout_s=240, ok=ok, cwd=there.root, env=environment)

    return helmfile


def helmify(there: Scratch, *words: str, ok: tuple[int, ...] = (0,)) -> process.Completed:
    return process.run([there.path("scripts/helmify"), *words], timeout_s=120, ok=ok, cwd=Path("/"))


def differing(there: Scratch, environment: str, service: str, manifest: str) -> list[str]:
    """Compare what Helm rendered of the kustomize chart with the service's own chart."""
    (source,) = sources(there.root, [service], [environment])
    (objects,) = parse([manifest])
    assert objects
    return unequal(source.targets[environment].objects, list(manifested(objects, "nowhere")))


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_helmfile_renders_the_same_and_cleans_up(environment: str, there: Scratch, run: Run) -> None:
    for service in SERVICES:
        done = run("--environment", environment, "--selector", f"service={service}", "template")
        assert differing(there, environment, service, done.stdout) == []
        assert not there.path(MANIFEST.replace("ml-api", service)).exists()
    assert there.git("status", "--porcelain", "--ignored", "deployments") == ""


def test_without_an_environment_only_dev_is_meant(there: Scratch, run: Run) -> None:
    listed = run("list", "--output", "json").stdout
    assert "dev-ml-api" in listed
    assert "staging" not in listed
    assert "prod" not in listed


def test_lint_is_content(there: Scratch, run: Run) -> None:
    done = run("--environment", "staging", "lint")
    assert "0 chart(s) failed" in done.stdout + done.stderr or done.stdout == ""
    assert not there.path(MANIFEST).exists()


def test_texts_that_look_like_templates_survive(there: Scratch, run: Run) -> None:
    hard = 'a {{ .Values.x }} {{- fail "no" -}} {{{{ `}} b'
    there.append("values/staging/ml-api.yaml", f"podAnnotations:\n  example.com/text: '{hard}'\n")
    process.run([ROOT / ".venv/bin/mldeploy", "overlay", "build"], timeout_s=120, cwd=there.root)
    done = run("--environment", "staging", "--selector", "service=ml-api", "template")
    assert hard in done.stdout
    assert differing(there, "staging", "ml-api", done.stdout) == []


def test_a_failing_build_stops_the_release_and_says_why(there: Scratch, run: Run) -> None:
    there.replace("values/staging/ml-api.yaml", "maxReplicas: 6", "maxReplicas: 9")
    for command in ("template", "lint"):
        done = run("--environment", "staging", "--selector", "service=ml-api", command, ok=(1,))
        assert "ml-api-kustomize/overlays/staging/hpa.yaml: is out of date" in done.stderr
        assert "run mldeploy overlay build ml-api" in done.stderr
    assert not there.path(MANIFEST).exists()
    # The other environments are not concerned.
    run("--environment", "prod", "--selector", "service=ml-api", "template")


def test_a_service_that_one_environment_has_not(there: Scratch) -> None:
    there.append("deployments/base.yaml", "    condition: batch.enabled\n")
    for environment in ("dev", "staging", "prod"):
        switch = str(environment != "staging").lower()
        there.append(f"deployments/{environment}/environment.yaml", f"batch: {{enabled: {switch}}}\n")
    helmify(there, "build", "ml-batch", "dev")
    done = helmify(there, "build", "ml-batch", "staging", ok=(2,))
    assert "staging: helmfile has no ml-batch there" in done.stderr


def test_without_the_hook_helm_itself_refuses_the_chart(there: Scratch) -> None:
    argv: list[str | Path] = [tool("helm"), "template", "staging-ml-api", "deployments/kustomize/ml-api", "--namespace"]
    missing = process.run([*argv, "staging"], timeout_s=60, ok=(1,), cwd=there.root, env=tool_environment(ROOT))
    assert "scripts/helmify build ml-api staging" in missing.stderr
    helmify(there, "build", "ml-api", "dev")
    other = process.run([*argv, "staging"], timeout_s=60, ok=(1,), cwd=there.root, env=tool_environment(ROOT))
    assert "scripts/helmify build ml-api staging" in other.stderr
    helmify(there, "build", "ml-api", "staging")
    process.run([*argv, "staging"], timeout_s=60, cwd=there.root, env=tool_environment(ROOT))


def test_clean_removes_what_was_made_and_nothing_else(there: Scratch) -> None:
    manifest = there.path(MANIFEST)
    helmify(there, "clean", "ml-api", "staging")
    helmify(there, "build", "ml-api", "staging")
    first = manifest.stat().st_mtime_ns
    helmify(there, "build", "ml-api", "staging")
    assert manifest.stat().st_mtime_ns == first, "nothing changed, so nothing is written"
    assert "was made for staging" in helmify(there, "clean", "ml-api", "dev").stderr
    helmify(there, "clean", "ml-api", "staging")
    assert not manifest.exists()


@pytest.mark.parametrize("whose", ["edited", "foreign"])
def test_what_was_not_made_here_is_refused(whose: str, there: Scratch) -> None:
    helmify(there, "build", "ml-api", "staging")
    text = there.path(MANIFEST).read_text("utf-8") + "# mine\n" if whose == "edited" else "mine: 1\n"
    there.write(MANIFEST, text)
    for verb in ("build", "clean"):
        done = helmify(there, verb, "ml-api", "staging", ok=(3,))
        assert f"{MANIFEST}: was {'edited by hand' if whose == 'edited' else 'not made by'}" in done.stderr
    assert there.path(MANIFEST).read_text("utf-8") == text


@pytest.mark.parametrize("link", ["deployments/kustomize/ml-api/templates", MANIFEST, "ml-api-kustomize/base"])
def test_links_out_of_the_checkout_are_refused(link: str, there: Scratch, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    if link == MANIFEST:
        elsewhere.write_text("theirs: 1\n", "utf-8")
    else:
        there.path(link).rename(elsewhere)
    there.path(link).symlink_to(elsewhere)
    before = sorted(elsewhere.rglob("*"))
    assert "a symbolic link to" in helmify(there, "build", "ml-api", "staging", ok=(3,)).stderr
    assert sorted(elsewhere.rglob("*")) == before
    assert not elsewhere.is_file() or elsewhere.read_text("utf-8") == "theirs: 1\n"


_STANDS_FOR_HELMFILE = """#!/bin/sh
{helmify} build ml-api "$1" && : > {ready}
read -r line < {gate}
{helmify} clean ml-api "$1"
"""


@contextmanager
def running_helmfile(there: Scratch, folder: Path, environment: str) -> Iterator[process.Child]:
    """A program called helmfile (a stand-in: the real one cannot be held between its hooks) that uses the chart."""
    folder.mkdir()
    ready, gate, program = folder / "ready", folder / "gate", folder / "helmfile"
    os.mkfifo(gate)
    text = _STANDS_FOR_HELMFILE.format(helmify=there.path("scripts/helmify"), ready=ready, gate=gate)
    program.write_text(text, "utf-8")
    program.chmod(0o755)
    child = process.start([program, environment])
    try:
        deadline = time.monotonic() + 120
        while not ready.exists():
            assert child.poll() is None, "it ended before it was ready"
            assert time.monotonic() < deadline, "not ready after 120 s"
            time.sleep(0.05)
        yield child
        if child.poll() is None:
            gate.write_text("go on\n", "utf-8")
            child.wait(120)
    finally:
        process.terminate(child)


def test_two_helmfiles_at_once_with_the_same_objects_share_them(there: Scratch, tmp_path: Path, run: Run) -> None:
    with running_helmfile(there, tmp_path / "one", "staging"):
        run("--environment", "staging", "--selector", "service=ml-api", "template")
        assert there.path(MANIFEST).exists(), "the other one still needs it"
    assert not there.path(MANIFEST).exists()


def test_two_helmfiles_at_once_with_other_objects(there: Scratch, tmp_path: Path, run: Run) -> None:
    with running_helmfile(there, tmp_path / "one", "staging") as other:
        before = there.path(MANIFEST).read_bytes()
        done = run("--environment", "dev", "--selector", "service=ml-api", "template", ok=(1,))
        assert f"helmfile (process {other.pid}) is using it with other objects, for staging" in done.stderr
        assert there.path(MANIFEST).read_bytes() == before
    run("--environment", "dev", "--selector", "service=ml-api", "template")


def test_an_interrupted_helmfile_is_in_nobodys_way(there: Scratch, tmp_path: Path, run: Run) -> None:
    with running_helmfile(there, tmp_path / "one", "staging") as child:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait(30)
    assert there.path(MANIFEST).exists()
    run("--environment", "dev", "--selector", "service=ml-api", "template")
    assert not there.path(MANIFEST).exists()


def test_a_killed_build_leaves_what_was_there(there: Scratch) -> None:
    """SIGKILL at moments spread over a whole run: the template is one of the two, each time."""
    manifest = there.path(MANIFEST)
    began = time.monotonic()
    chart.build(there.root, "ml-api", "staging")
    whole = time.monotonic() - began
    known = {manifest.read_bytes()}
    chart.build(there.root, "ml-api", "dev")
    known.add(manifest.read_bytes())
    assert len(known) == 2
    for number in range(12):
        argv: list[str | Path] = [there.path("scripts/helmify"), "build", "ml-api", ("staging", "dev")[number % 2]]
        with process.start(argv, cwd=there.root) as child:
            time.sleep(whole * number / 12)
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
        assert manifest.read_bytes() in known
        assert sorted(path.name for path in manifest.parent.iterdir()) == ["all.yaml", "check.yaml"]
    chart.build(there.root, "ml-api", "staging")
    assert manifest.read_bytes() in known
