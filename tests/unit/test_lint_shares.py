"""A large checkout is checked by several processes: the same findings as by one, and clear errors."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from mldeploy.errors import MldeployError
from mldeploy.forked import Fork
from mldeploy.values import share
from mldeploy.values.lint import lint
from mldeploy.values.problem import Problem

SERVICES = 12
BROKEN: dict[str, str | bytes] = {
    "prod/s1.yaml": "a: [\n",
    "prod/s2.yaml": b"a: \xff\n",
    "prod/s3.yaml": "replicas: no\nreplicaz: 3\n",
    "prod/s4.yaml": "debug: yes\ndebug: off\nmode: 0755\n",
    "prod/s5.yaml": "debug: yes  # lint-ignore yaml-boolean: as ever\nmode: 1  # lint-ignore yaml-number: why\n",
    "prod/s6.yaml": "mode: 1\n---\nmode: 2\n",
    "prod/s7.yaml": "password: correct-Horse-77\nreplicas: 2\n",
    "dev/s8.yaml": "replicaCount: 9\n",
    "prod/s9.yaml": "token: 12345678\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a checkout with two environments, two charts, and a file of each kind that is wrong."""

    def write(name: str, text: str | bytes) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())

    write("helmfile.yaml", "bases: [deployments/base.yaml]\nenvironments:\n  dev: {}\n  prod: {}\n")
    for chart in ("one", "two"):
        write(f"charts/{chart}/Chart.yaml", f"apiVersion: v2\nname: {chart}\nversion: 0.1.0\n")
        write(f"charts/{chart}/values.yaml", "replicas: 1\nreplicaCount: 1\ndebug: false\nmode: 1\ntoken: 1\n")
        write(
            f"charts/{chart}/values.schema.json",
            '{"type": "object", "additionalProperties": false, "properties": {"replicas": {"type": "integer"},'
            ' "replicaCount": {}, "debug": {}, "mode": {}, "token": {}, "password": {}}}',
        )
        write(f"charts/{chart}/templates/x.yaml", "{{ .Values.token }} {{ .Values.missing }}\n")
    folder = "values/{{ .Values.environment }}"
    releases = [
        f"  - {{name: s{n}, chart: charts/{('one', 'two')[n % 2]}, labels: {{service: s{n}}},"
        f' values: ["{folder}/values.yaml", "{folder}/s{n}.yaml"]}}'
        for n in range(SERVICES)
    ]
    write("deployments/base.yaml", "\n".join(["releases:", *releases, ""]))
    for environment in ("dev", "prod"):
        write(f"values/{environment}/values.yaml", "mode: 1\n")
        for n in range(SERVICES):
            name = f"{environment}/s{n}.yaml"
            write(f"values/{name}", BROKEN.get(name, "replicas: 2\n"))
    return tmp_path


@pytest.fixture
def cores(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Set the number of cores that there seem to be; even the smallest checkout is shared then."""
    monkeypatch.setattr(share, "_SMALLEST", 1)
    return lambda count: monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(count)))


def _everything(problems: list[Problem]) -> list[tuple[object, ...]]:
    return [
        (one.position, one.rule, one.message, one.remedy, one.end_column, one.related, one.fix, one.severity)
        for one in problems
    ]


@pytest.mark.parametrize("count", [2, 3, 16])
def test_the_same_findings_from_any_number_of_processes(
    root: Path, cores: Callable[[int], None], monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    cores(1)
    alone = lint(root)
    rules = {problem.rule for problem in alone.problems}
    assert rules >= {
        "unreadable",
        "unknown-key",
        "schema",
        "yaml-boolean",
        "yaml-number",
        "duplicate-key",
        "plain-secret",
    }
    assert rules >= {"ignore-comment", "second-document", "printed-as-float", "undeclared-value", "repeats-default"}
    assert rules >= {"environment-order"}
    cores(count)
    forks: list[Fork[object]] = []
    made = Fork.__init__

    def counted(fork: Fork[object], work: Callable[[], object]) -> None:
        forks.append(fork)
        made(fork, work)

    monkeypatch.setattr(Fork, "__init__", counted)
    together = lint(root)
    assert len(forks) == count - 1
    assert _everything(together.problems) == _everything(alone.problems)
    assert together.files == alone.files


def test_other_files_are_shared_too(root: Path, cores: Callable[[int], None]) -> None:
    other = root / "other"
    other.mkdir()
    for number in range(6):
        (other / f"{number}.yaml").write_text("a: no\n" if number % 2 else "a: [\n")
    cores(1)
    alone = lint(root, [other])
    cores(3)
    assert [problem.rule for problem in alone.problems] == ["unreadable", "yaml-boolean"] * 3
    assert _everything(lint(root, [other]).problems) == _everything(alone.problems)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_first_error_is_told(root: Path, cores: Callable[[int], None], count: int) -> None:
    (root / "charts/two/values.schema.json").write_text('{"type": 7}')
    (root / "values/prod/s11.yaml").unlink()
    cores(count)
    with pytest.raises(MldeployError, match=r"the values file values/prod/s11\.yaml is missing"):
        lint(root)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_process_is_an_error() -> None:
    with Fork(_die) as fork, pytest.raises(MldeployError, match="was killed by signal 9"):
        fork.result()


def test_a_fault_is_told_with_its_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    with Fork(lambda: 1 // 0) as fork, pytest.raises(MldeployError, match="ended with 1"):
        fork.result()
    assert "ZeroDivisionError" in capfd.readouterr().err


def _interrupted() -> None:
    raise KeyboardInterrupt


def test_an_interrupt_ends_both() -> None:
    with Fork(_interrupted) as fork, pytest.raises(KeyboardInterrupt):
        fork.result()


def test_leaving_early_ends_the_child() -> None:
    with Fork(signal.pause) as fork:
        child = fork._pid
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
