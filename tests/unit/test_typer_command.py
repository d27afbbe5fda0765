"""Usage errors of typer's commands are one message and exit code 2, as everybody's are."""

from __future__ import annotations

import pytest

from mldeploy.cli.main import main


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["image", "nope"], "No such command 'nope'"),
        (["image", "push"], "Missing"),
        (["image", "build", "--nope"], "No such option: --nope"),
        (["image", "push", "ml-service", "--registry"], "requires an argument"),
    ],
)
def test_wrong_usage_is_one_message_and_2(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    first, *rest = printed.err.splitlines()
    assert first.startswith("mldeploy: ")
    assert said in first
    assert rest == ["  -> see mldeploy image --help"]


def test_help_is_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["image", "build", "--help"]) == 0
    assert "--update" in capsys.readouterr().out


def test_no_words_at_all_show_the_help_and_are_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["image"]) == 2
    printed = capsys.readouterr()
    assert "push" in printed.out + printed.err
    assert "mldeploy: " not in printed.err
