"""Exceptions cover what they say, no more, and each has a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from mldeploy.check.exceptions import FILE, Exceptions
from mldeploy.errors import MldeployError
from mldeploy.plan.objects import Manifested


def manifested(kind: str, name: str) -> Manifested:
    return Manifested("v1", kind, "dev", name, "", {})


def write(root: Path, text: str) -> Path:
    path = root / FILE
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    return root


def test_an_exception_covers_its_rule_objects_and_environments(tmp_path: Path) -> None:
    text = '# why\n[[exception]]\nrule = "r"\nreason = "x"\nobjects = ["Pod/*-test", "Job/*"]\nenvironments = ["dev"]\n'
    written = Exceptions(write(tmp_path, text))
    assert written.cover("r", manifested("Pod", "a-test"), "dev")
    assert not written.cover("other", manifested("Pod", "a-test"), "dev")
    assert not written.cover("r", manifested("Deployment", "a-test"), "dev")
    assert not written.cover("r", manifested("Job", "a"), "prod")
    assert written.unused() == [(2, "r: Job/*")]


def test_a_checkout_without_exceptions_has_none(tmp_path: Path) -> None:
    written = Exceptions(tmp_path)
    assert not written.cover("r", manifested("Pod", "a"), "dev")
    assert written.unused() == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[exception]\n", "exceptions.toml: "),
        ('\n[[exception]]\nrule = "r"\n', "exceptions.toml:2:1: an exception without a reason"),
        ('[[exception]]\nrule = "r"\nreason = " "\n', "without a reason"),
        ('[[exception]]\nreason = "x"\n', "without a rule"),
        ('[[exception]]\nrule = "r"\nreason = "x"\nobject = []\n', "unknown key 'object'"),
        ('[[exception]]\nrule = "r"\nreason = "x"\nobjects = "Pod/a"\n', "objects is no list of text"),
    ],
)
def test_an_exception_that_is_not_right_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(MldeployError, match=message):
        Exceptions(write(tmp_path, text))
