"""`mldeploy lint` as it is run: paths, outputs, exit codes, fixes, baselines, changed files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from mldeploy import process
from mldeploy.cli.lint import main
from mldeploy.errors import ExitCode, MldeployError

CHECKOUT = Path(__file__).parents[1] / "fixtures" / "lint" / "checkout"
PROD = "values/prod/ml-api.yaml"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = tmp_path / "checkout"
    shutil.copytree(CHECKOUT, copy)
    monkeypatch.chdir(copy)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    return copy


def _git(root: Path, *words: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    process.run(["git", "-C", root, *identity, *words], timeout_s=60)


def test_clean(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == ExitCode.CLEAN
    assert capsys.readouterr().out.startswith("no findings in 13 files")


def test_findings(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / PROD).write_text("replicas: 3\n")
    assert main([]) == ExitCode.FINDINGS
    assert f"{PROD}:1:1: there is no key 'replicas' (unknown-key)" in capsys.readouterr().out


def test_paths_limit_what_is_reported(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / PROD).write_text("replicas: 3\n")
    assert main(["values/dev"]) == ExitCode.CLEAN
    assert main(["values/prod"]) == ExitCode.FINDINGS
    assert main([PROD]) == ExitCode.FINDINGS
    with pytest.raises(MldeployError, match="no such file"):
        main(["values/nowhere"])


def test_a_file_that_no_release_reads_is_checked_on_its_own(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "other.yaml").write_text("a: no\n")
    assert main(["other.yaml", "--output", "json"]) == ExitCode.FINDINGS
    found = json.loads(capsys.readouterr().out)["findings"]
    assert [(one["path"], one["line"], one["rule"]) for one in found] == [("other.yaml", 1, "yaml-boolean")]


def test_a_checkout_that_cannot_be_read(root: Path) -> None:
    (root / "deployments" / "base.yaml").write_text('releases:\n  - name: "{{ exec }}"\n')
    with pytest.raises(MldeployError, match=r"base\.yaml:2:5: the expression"):
        main([])


def test_one_broken_file_does_not_hide_the_others(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "values/staging/ml-api.yaml").write_text("a: [\n")
    (root / PROD).write_text("replicas: 3\n")
    assert main(["--output", "json"]) == ExitCode.FINDINGS
    rules = [one["rule"] for one in json.loads(capsys.readouterr().out)["findings"]]
    assert rules == ["unknown-key", "unreadable"]


def test_fix_keeps_everything_else(root: Path) -> None:
    (root / PROD).write_bytes(
        b"# head\r\nextra:   # why\r\n  a: yes   # keep\r\n  b: 'x'\r\nimage:\r\n  tag: 14020\r\nautoscaling:\r\n"
        b"  minReplicas: 2\r\n  maxReplicas: 20\r\nconfig: &c\r\n  limit: 12345678901234567890\r\n"
    )
    assert main(["--fix"]) == ExitCode.CLEAN
    assert (root / PROD).read_bytes() == (
        b"# head\r\nextra:   # why\r\n  a: true   # keep\r\n  b: 'x'\r\nimage:\r\n  tag: \"14020\"\r\nautoscaling:\r\n"
        b'  maxReplicas: 20\r\nconfig: &c\r\n  limit: "12345678901234567890"\r\n'
    )


def test_fix_leaves_other_files_alone(root: Path) -> None:
    for path in (PROD, "values/staging/ml-api.yaml"):
        (root / path).write_text("extra:\n  a: yes\n")
    assert main(["--fix", PROD]) == ExitCode.CLEAN
    assert (root / PROD).read_text() == "extra:\n  a: true\n"
    assert (root / "values/staging/ml-api.yaml").read_text() == "extra:\n  a: yes\n"


def test_fix_twice_changes_nothing_more(root: Path) -> None:
    (root / PROD).write_text("extra:\n  a: yes\n  b: [on, {c: off}]\n")
    main(["--fix"])
    once = (root / PROD).read_text()
    main(["--fix"])
    assert (root / PROD).read_text() == once == "extra:\n  a: true\n  b: [true, {c: false}]\n"


def test_baseline(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / PROD).write_text("replicas: 3\n")
    assert main(["--write-baseline", "baseline.json"]) == ExitCode.CLEAN
    assert main(["--baseline", "baseline.json"]) == ExitCode.CLEAN
    (root / PROD).write_text("# moved\nreplicas: 3\nreplica: 4\n")
    capsys.readouterr()
    assert main(["--baseline", "baseline.json", "--output", "json"]) == ExitCode.FINDINGS
    assert [one["line"] for one in json.loads(capsys.readouterr().out)["findings"]] == [3]


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[{"path": "x"}]', "\x00"])
def test_a_broken_baseline(root: Path, text: str) -> None:
    Path("baseline.json").write_text(text)
    if text == "{}":
        assert main(["--baseline", "baseline.json"]) == ExitCode.CLEAN
        return
    with pytest.raises(MldeployError, match="not a baseline"):
        main(["--baseline", "baseline.json"])


def test_changed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / PROD).write_text("replicas: 3\n")
    _git(root, "init", "--quiet", "--initial-branch=main")
    _git(root, "add", "--all")
    _git(root, "commit", "--quiet", "--message=one")
    assert main(["--changed"]) == ExitCode.CLEAN
    (root / "values/dev/ml-api.yaml").write_text("replica: 3\n")
    (root / "values/dev/new.yaml").write_text("{}\n")
    capsys.readouterr()
    assert main(["--changed", "main", "--output", "json"]) == ExitCode.FINDINGS
    found = {(one["path"], one["rule"]) for one in json.loads(capsys.readouterr().out)["findings"]}
    assert found == {("values/dev/ml-api.yaml", "unknown-key"), ("values/dev/new.yaml", "orphan-file")}
    with pytest.raises(MldeployError, match="nowhere"):
        main(["--changed", "nowhere"])


def test_the_overridden_default_is_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / PROD).write_text("replicaCount: many\n")
    main(["--output", "json"])
    found = json.loads(capsys.readouterr().out)["findings"]
    assert found[0]["related"] == [
        {"path": "charts/ml-api/values.yaml", "line": 5, "column": 15, "message": "overrides 2 here"}
    ]


def test_custom_messages_of_the_schema(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / PROD).write_text("image:\n  tag: 1.4\n")
    main([])
    assert f"{PROD}:2:8: 'image.tag' must be a string, not 1.4 (schema); quote the tag" in capsys.readouterr().out


def test_a_secret_is_not_repeated(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / PROD).write_text(
        "config:\n  password: [hunter2hunter2]\n  key: AKIAIOSFODNN7EXAMPLE\n  bytes: hunter2hunter2\n"
    )
    main([])
    out = capsys.readouterr()
    assert "AKIA" not in out.out + out.err
