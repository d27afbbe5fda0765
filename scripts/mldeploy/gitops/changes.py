"""The plan of a publish: what is published against what is to be, by meaning and with the lines that cause it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mldeploy.gitops.folder import Environment
from mldeploy.gitops.git import commit_of
from mldeploy.gitops.hydrate import KUSTOMIZATION
from mldeploy.plan.environment import compare_environment
from mldeploy.plan.model import EnvironmentPlan
from mldeploy.plan.sides import Side, open_head
from mldeploy.plan.whole import Whole
from mldeploy.render import Listing, Release, Rendered, list_releases, parse


def compare(root: Path, name: str, before: Environment | None, after: Whole) -> EnvironmentPlan:
    """Plan one environment.

    Args:
        root: the checkout, whose history has the commit that `before` is from; without it no causes are named.
        name: the environment.
        before: what is published; None: nothing.
        after: what is to be.

    Raises:
        MldeployError: what is published is no YAML.
    """
    side = _side(root, before, after)
    if before is None:
        return compare_environment(name, Whole(side, (name,), (), ()), after)
    known = {each.name: each for each in list_releases(side.root, [name])[0].releases}
    texts = {service: _text(before.files, service) for service in before.provenance.services}
    objects = dict(zip(texts, parse(list(texts.values())), strict=True))
    rendered = tuple(
        Rendered(known.get(about["release"]) or _unknown(name, service, about), objects=objects[service])
        for service, about in before.provenance.services.items()
    )
    listing = Listing(name, tuple(each.release for each in rendered))
    return compare_environment(name, Whole(side, (name,), (listing,), rendered), after)


def _side(root: Path, before: Environment | None, after: Whole) -> Side:
    commit = before.provenance.commit if before is not None else ""
    return open_head(root, commit) if commit and commit_of(root, commit) else after.side


def _text(files: Mapping[str, str], service: str) -> str:
    own = [text for path, text in files.items() if path.startswith(f"{service}/") and not path.endswith(KUSTOMIZATION)]
    return "---\n".join(own)


def _unknown(environment: str, service: str, about: Mapping[str, str]) -> Release:
    """Describe a release that its commit does not tell of any more, as far as its provenance does."""
    return Release(
        environment=environment,
        name=about["release"],
        namespace=about["namespace"],
        labels={"name": about["release"], "namespace": about["namespace"], "service": service},
        chart=about["chart"],
        chart_path=None,
        values_files=(),
        needs=(),
        kube_version="",
        api_versions=(),
        skip_schema_validation=False,
        kube_context="",
        file=Path("helmfile.yaml"),
        special="is published only",
    )
