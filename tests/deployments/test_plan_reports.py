"""What a plan's reports may and may not hold: hostile strings do nothing, secrets are in none, comments fit."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from mldeploy.plan.reports import FORMATS, write
from mldeploy.plan.reports.markdown import LIMIT
from tests.deployments.planning import ENVIRONMENTS, EVERYWHERE, TEMPLATE, names, planned

if TYPE_CHECKING:
    from tests.deployments.scratch import Scratch

HOSTILE = [
    "`code` **bold** [link](https://evil.example) <img src=x onerror=alert(1)> @everyone #1",
    "</pre></details><script>alert(1)</script>",
    "| a | table | --- |",
    "::error file=a::injected",
    "##[add-mask]injected",
    "\x1b[31mred\x1b]0;title\x07",
    "line\n::warning::second line\r\n::set-output name=a::b",
    "${{ secrets.TOKEN }} {{ 7 * 7 }} {% raw %}",
    "\u202eright to left\u200b",
    "```\nfence\n```",
]


class Page(HTMLParser):
    """Collects what a browser would make elements of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_hostile_strings_are_shown_and_do_nothing(scratch: Scratch) -> None:
    annotations = {f"example.com/key-{index}": text for index, text in enumerate(HOSTILE)}
    scratch.append("values/dev/ml-api.yaml", f"podAnnotations: {json.dumps(annotations)}\n")
    found = planned(scratch)
    reports = {form: write(found, form) for form in FORMATS}
    assert json.loads(reports["json"])["releases"][0]["name"] == "dev-ml-api"
    for form in ("text", "github", "markdown", "html"):
        text = reports[form]
        assert "onerror" in text, "shown"
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e]", text.replace("@\u200b", "@"))
        assert "##[" not in text
    for line in reports["text"].splitlines():
        assert not line.lstrip().startswith("::")
    commands = [line for line in reports["github"].splitlines() if line.lstrip().startswith("::")]
    assert commands
    assert all(
        re.match(r"::(notice|warning|error) title=plan dev,file=values/dev/ml-api.yaml,line=\d+::", line)
        for line in commands
    )
    page = Page(reports["html"])
    assert "script" not in page.tags
    assert not page.attributes & {"src", "onerror", "href"}
    outside = re.sub(r"<pre.*?</pre>", "", reports["markdown"], flags=re.DOTALL)
    assert "evil" not in outside
    assert Page(reports["markdown"]).tags <= {"details", "summary", "pre", "br"}
    assert reports["markdown"].count("<details>") == reports["markdown"].count("</details>") == 1
    assert "@everyone" not in reports["markdown"]


def test_a_comment_stays_below_the_limit_whatever_changes(scratch: Scratch) -> None:
    for environment in ENVIRONMENTS:
        for service in ("ml-api", "ml-batch"):
            many = {f"key-{index}": "`|<" * 60 for index in range(400)}
            scratch.append(f"values/{environment}/{service}.yaml", f"podAnnotations: {json.dumps(many)}\n")
    text = write(planned(scratch), "markdown")
    assert len(text) <= LIMIT < 65_536
    assert text.count("<details>") == text.count("</details>")
    assert all(name in text.replace("\\", "") for name in EVERYWHERE), "the summary names every release"
    assert "does not fit into a comment" in text


SECRETS = [f"s3cr3t-value-{index:02}-{'abcdefghij'[index % 10] * 3}" for index in range(50)]


def test_no_planted_secret_is_in_any_report(scratch: Scratch) -> None:
    """50 secrets, each where one may be by mistake: Secret objects, their copies, credentials as plain values."""
    entries = "\n".join(f"  key-{index}: {json.dumps(text)}" for index, text in enumerate(SECRETS[:20]))
    encoded = "\n".join(
        f"  b64-{index}: {{{{ {json.dumps(text)} | b64enc }}}}" for index, text in enumerate(SECRETS[20:30])
    )
    variables = "\n".join(
        f"        - {{name: {name}, value: {json.dumps(text)}}}"
        for name, text in zip(
            ("DB_PASSWORD", "API_KEY", "apiToken", "CLIENT_SECRET", "AWS_SECRET_ACCESS_KEY"),
            SECRETS[30:35],
            strict=True,
        )
    )
    copies = "\n".join(f"  copy-{index}: {json.dumps(f'see {text} here')}" for index, text in enumerate(SECRETS[:5]))
    config = "\n".join(
        [
            f"  password: {SECRETS[35]}",
            f"  settings.ini: {json.dumps(f'user=a{chr(10)}password = {SECRETS[36]}{chr(10)}token: {SECRETS[37]}')}",
            f"  url: redis://user:{SECRETS[38]}@host:6379/0",
            f"  arguments: --api-key={SECRETS[39]} --port=80",
        ]
    )

    def template(suffix: str) -> str:
        secret = (
            f"apiVersion: v1\nkind: Secret\nmetadata: {{name: planted}}\nstringData:\n{entries}\ndata:\n{encoded}\n"
        )
        pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: planted}\nspec:\n  containers:\n    - name: a\n      env:\n"
        config_map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: planted}\ndata:\n"
        text = f"{secret}---\n{pod}{variables}\n---\n{config_map}{copies}\n{config}\n"
        return text.replace("-value-", f"-value{suffix}-")

    def values(suffix: str) -> str:
        planted = {f"example.com/password-{index}": text for index, text in enumerate(SECRETS[40:50])}
        return f"podAnnotations: {json.dumps(planted)}\n".replace("-value-", f"-value{suffix}-")

    untouched = scratch.path("values/dev/ml-api.yaml").read_text("utf-8")
    scratch.write(TEMPLATE, template("-old"))
    scratch.write("values/dev/ml-api.yaml", untouched + values("-old"))
    scratch.base = scratch.commit("planted")
    scratch.write(TEMPLATE, template("-new"))
    scratch.write("values/dev/ml-api.yaml", untouched + values("-new"))
    changed = planned(scratch)
    # Both a secret of the base and one that only the failing side has, repeated by what fails.
    fails = '{{ fail (printf "%s and %s" "BASE" (index .Values.podAnnotations "example.com/password-0")) }}\n'
    base_secret = SECRETS[3].replace("-value-", "-value-old-")
    scratch.write(TEMPLATE, template("-new") + fails.replace("BASE", base_secret))
    failing = planned(scratch)
    scratch.write(TEMPLATE, "")
    removed = planned(scratch)
    assert failing.failed
    for found in (changed, failing, removed):
        assert names(found)
        for form in FORMATS:
            text = write(found, form)
            assert "s3cr3t" not in text, re.findall(r".*s3cr3t.*", text)[:3]
    hidden = [change.name for release in changed.affected for change in release.objects if change.kind == "Secret"]
    assert hidden == ["planted"] * 3, "a Secret that differs is still named"
